export { pemBlocks } from "./certificate-chain.ts";
export {
  certifiedBundle,
  type OpenedBundle,
  openBundle,
  type Statement,
  signedBundle,
  type Trust,
} from "./dsse.ts";
export {
  type BundleExpectation,
  type BundleVerdict,
  modelStatement,
  modelSubject,
  type SignedFile,
  verifyModelBundle,
} from "./model-signing.ts";
export { judgePromotion, type PromotionEvidence, type PromotionVerdict } from "./promotion.ts";
export { encodePrompt, promptProblems, readPrompt, type TemplatePart, templateParts } from "./prompt.ts";
export {
  type AttestationVerdict,
  attestationStatement,
  type SignedFolder,
  verifyAttestation,
} from "./provenance/attestation.ts";
export { modelBom } from "./provenance/bom.ts";
export { limitationsOf } from "./provenance/bom-model-card.ts";
export { missingEvidence, type Release, type VerifiedStatement } from "./provenance/judge-evidence.ts";
export {
  decisionPredicate,
  decisionPredicateType,
  deploymentPredicate,
  deploymentPredicateType,
  namesVersion,
  provenancePredicate,
  provenancePredicateType,
  summaryPredicate,
  summaryPredicateType,
  testResultPredicate,
  testResultPredicateType,
} from "./provenance/predicates.ts";
export { encodeUpstream, readUpstream } from "./upstream.ts";
export { versionFiles } from "./version-files.ts";
