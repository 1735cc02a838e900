import type {
  CharterFacts,
  DecisionFacts,
  DeploymentFacts,
  EvaluationFacts,
  PromotionFacts,
  TrainingFacts,
  TrainingSetFacts,
  VersionRecord,
} from "../src/contract.ts";

/** A digest that is easy to tell from others. */
export const aDigest = (digit: string): string => `sha256:${digit.repeat(64)}`;

export const aTraining: TrainingFacts = {
  runId: "run_1",
  environment: "production",
  startedBy: "usr_max",
  startedAt: 1_700_000_000_000_000,
  finishedAt: 1_700_000_060_500_000,
  params: { rounds: 60, loss: "log", warm: true },
  locks: { "3.12": aDigest("c") },
  environmentLock: aDigest("c"),
  python: "3.12.4",
  isolation: "namespaces",
  networkBlocked: true,
  seed: 7,
  code: aDigest("d"),
  data: aDigest("e"),
  log: aDigest("f"),
  metrics: { loss: 0.42 },
};

export const aTrainingSet: TrainingSetFacts = {
  id: "ts_1",
  name: "delays",
  object: aDigest("e"),
  contract: "flights",
  datasetId: "ds_1",
  dataset: aDigest("1"),
  from: 1_600_000_000_000_000,
  to: 1_600_086_400_000_000,
  rows: 1000,
  features: ["mean_delay_7d", "distance"],
  label: "late",
  baseline: "mean_delay_7d",
  definition: aDigest("2"),
  views: [
    {
      view: "routes@3",
      digest: aDigest("3"),
      log: { id: "flg_1", digest: aDigest("4"), lastSequence: 99 },
    },
  ],
};

export const anEvaluation: EvaluationFacts = {
  id: "ev_1",
  setId: "ts_2",
  set: aDigest("5"),
  heldOut: { shown: true, because: "every row is later than the training set" },
  metrics: [
    { name: "roc_auc", value: 0.71, interval: { low: 0.69, high: 0.73, level: 0.95 } },
    { name: "log_loss", value: 0.5 },
  ],
  examples: 500,
  gates: [{ gate: "accuracy", passed: true, observed: "0.71", required: "at least 0.65" }],
  evaluatedBy: "sa_ci",
  evaluatedAt: 1_700_000_080_000_000,
};

export const aPromotionFact: PromotionFacts = {
  number: 4,
  to: "production",
  promotedBy: "usr_rita",
  promotedAt: 1_700_000_100_000_000,
  gates: anEvaluation.gates,
  charterId: "cht_1",
};

export const aCharter: CharterFacts = {
  id: "cht_1",
  version: 2,
  digest: aDigest("6"),
  useCase: "flight-delays",
  description: "Says how likely a flight is late, for <planners> & crews.",
  team: "network-planning",
  businessUnit: "operations",
  task: "binary_classification",
  purposes: ["staff-planning"],
  regulations: ["GDPR"],
  riskLevel: "medium",
  classification: "internal",
  humanReview: "below_confidence",
  explainability: "per_prediction",
  fallback: "previous_version",
  accuracy: { metric: "roc_auc", floor: 0.65 },
  fairness: { attributes: ["region"], maximumDifference: 0.1 },
  approvals: [
    {
      role: "approver_risk",
      signer: "usr_ron",
      keyId: "sgk_ron",
      signature: "c2lnbmF0dXJl",
      signedAt: 1_690_000_000_000_000,
    },
  ],
};

export const aDecision: DecisionFacts = {
  kind: "release",
  id: "rel_1",
  environment: "production",
  endpoint: "delays",
  requestedBy: "usr_max",
  requestedAt: 1_700_000_110_000_000,
  approvalsNeeded: 2,
  approvals: [
    { by: "usr_lee", at: 1_700_000_111_000_000 },
    { by: "usr_rita", at: 1_700_000_112_000_000 },
  ],
  outcome: "promoted",
  decidedBy: "release-controller",
  decidedAt: 1_700_000_120_000_000,
  reasons: ["errors: no worse"],
};

export const aDeployment: DeploymentFacts = {
  id: "dpl_1",
  endpoint: "delays",
  environment: "production",
  role: "champion",
  deployedBy: "release-controller",
  deployedAt: 1_700_000_121_000_000,
  route: aDigest("8"),
  digest: aDigest("9"),
  config: { limits: { timeoutMs: 200, burst: 50 }, fallbacks: [{ kind: "previous" }], cache: null },
};

export const aRecord: VersionRecord = {
  version: {
    id: "mv_1",
    model: "flight-delays",
    version: 3,
    useCaseId: "uc_1",
    artifact: aDigest("a"),
    sizeBytes: 4096,
    bundle: aDigest("b"),
    signingKeyId: "sgk_1",
    signedAt: 1_700_000_070_000_000,
    signature: {
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1] }],
    },
    lineage: { origin: "trained", trainingRunId: "run_1", trainingSetId: "ts_1", code: aDigest("d") },
    createdBy: "sa_ci",
    stages: ["staging", "production"],
  },
  training: aTraining,
  trainingSet: aTrainingSet,
  packages: [
    { name: "numpy", version: "2.4.6", hashes: ["0a".repeat(32), "0b".repeat(32)] },
    {
      name: "Typing_Extensions",
      version: "4.16.0+local",
      marker: 'python_version < "3.13"',
      hashes: ["0c".repeat(32)],
    },
  ],
  charter: aCharter,
  evaluations: [anEvaluation],
  promotions: [aPromotionFact],
  decisions: [aDecision],
  deployments: [aDeployment],
  attestations: [
    {
      about: "training",
      predicateType: "https://slsa.dev/provenance/v1",
      digest: aDigest("7"),
      sizeBytes: 2000,
      signingKeyId: "sgk_1",
      signedAt: 1_700_000_080_000_000,
    },
  ],
};
