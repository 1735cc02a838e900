export { ComputeProfile } from "./compute-profile.ts";
export {
  EnvironmentName,
  GateResult,
  keptFilesName,
  Lineage,
  ModelName,
  ModelSignature,
  ModelVersion,
  modelFileName,
  Sha256,
  TensorSpec,
} from "./model-version.ts";
export { type Prompt, PromptSampling, promptFileName, StatedPrompt } from "./prompt.ts";
export {
  Approval,
  AttestationView,
  CharterFacts,
  DecisionFacts,
  DeploymentFacts,
  EvaluationFacts,
  LockedPackage,
  PromotionFacts,
  TrainingFacts,
  TrainingSetFacts,
  VersionRecord,
} from "./provenance/record.ts";
export {
  FoundUpstream,
  StatedUpstream,
  type TextOperation,
  textOperations,
  UpstreamDescription,
  upstreamFileName,
} from "./upstream.ts";
