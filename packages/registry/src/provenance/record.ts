import { type Static, Type } from "@portolan/typebox";
import { EnvironmentName, GateResult, ModelVersion, Sha256 } from "../model-version.ts";

const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });

/** One pinned package of a lock file. */
export const LockedPackage = Type.Object({
  name: Type.String(),
  version: Type.String(),
  marker: Type.Optional(Type.String({ description: "PEP 508: where it is installed; absent: everywhere" })),
  hashes: Type.Array(Type.String(), { description: "SHA-256 of the files that may be installed, hex" }),
});
export type LockedPackage = Static<typeof LockedPackage>;

/** A guarantee of differential privacy: computed by Portolan from what the run was asked to do, for rows that are added or removed. */
export const PrivacyFacts = Type.Object({
  mechanism: Type.String(),
  unit: Type.String({ description: "Whose presence is hidden" }),
  noiseMultiplier: Type.Number(),
  samplingRate: Type.Number(),
  steps: Type.Integer(),
  delta: Type.Number(),
  epsilon: Type.Number(),
  order: Type.Number({ description: "Of the Rényi divergence that gave it" }),
  noise: Type.String({ description: "secret, or reproducible by whoever reads the run" }),
});
export type PrivacyFacts = Static<typeof PrivacyFacts>;

/** The run that made a version: what went in beside the data, and under which walls. */
export const TrainingFacts = Type.Object({
  runId: Type.String(),
  environment: EnvironmentName,
  startedBy: Type.String(),
  startedAt: Micros,
  finishedAt: Micros,
  params: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Boolean()])),
  locks: Type.Record(Type.String(), Sha256, { description: "Lock files by Python minor" }),
  environmentLock: Sha256,
  python: Type.String({ description: "Exact version of the interpreter" }),
  isolation: Type.String({
    description: "What kept the trainer from the server: namespaces, account or none",
  }),
  networkBlocked: Type.Boolean(),
  seed: Type.Integer(),
  code: Sha256,
  data: Sha256,
  base: Type.Optional(Sha256),
  log: Sha256,
  metrics: Type.Record(Type.String(), Type.Number(), { description: "As its own program reported them" }),
  privacy: Type.Optional(PrivacyFacts),
});
export type TrainingFacts = Static<typeof TrainingFacts>;

/** The rows that a version learned from, and what they were made of. */
export const TrainingSetFacts = Type.Object({
  id: Type.String(),
  name: Type.String(),
  object: Sha256,
  contract: Type.String(),
  datasetId: Type.String(),
  dataset: Sha256,
  from: Micros,
  to: Micros,
  rows: Type.Integer(),
  features: Type.Array(Type.String()),
  label: Type.String(),
  baseline: Type.Optional(Type.String()),
  definition: Sha256,
  views: Type.Array(
    Type.Object({
      view: Type.String({ description: "`name@version`" }),
      digest: Sha256,
      log: Type.Optional(Type.Object({ id: Type.String(), digest: Sha256, lastSequence: Type.Integer() })),
    }),
  ),
  dataClass: Type.Optional(Type.Literal("research")),
});
export type TrainingSetFacts = Static<typeof TrainingSetFacts>;

const Measured = {
  name: Type.String(),
  value: Type.Number(),
  interval: Type.Optional(Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number() })),
};

/** What one evaluation found. */
export const EvaluationFacts = Type.Object({
  id: Type.String(),
  setId: Type.String({ description: "The held-out rows, or the set of cases" }),
  set: Type.Optional(Sha256),
  results: Type.Optional(Sha256),
  heldOut: Type.Object({ shown: Type.Boolean(), because: Type.String() }),
  metrics: Type.Array(Type.Object(Measured)),
  parts: Type.Optional(
    Type.Array(
      Type.Object({
        of: Type.String({ description: "A class, a value of a column, or a group" }),
        rows: Type.Integer(),
        ...Measured,
      }),
      { description: "Of parts of the rows with enough of them, at most 200" },
    ),
  ),
  examples: Type.Integer({ description: "Rows or cases" }),
  gates: Type.Array(GateResult),
  evaluatedBy: Type.String(),
  evaluatedAt: Micros,
});
export type EvaluationFacts = Static<typeof EvaluationFacts>;

/** One person's signature under the charter. */
export const Approval = Type.Object({
  role: Type.String(),
  signer: Type.String({ description: "usr_… of the person" }),
  keyId: Type.String(),
  signature: Type.String({ description: "Ed25519 over the charter's signing statement, base64" }),
  signedAt: Micros,
});
export type Approval = Static<typeof Approval>;

/** The charter that governs a use case: what a version was made for, and who signed that. */
export const CharterFacts = Type.Object({
  id: Type.String(),
  version: Type.Integer(),
  digest: Sha256,
  useCase: Type.String(),
  description: Type.String(),
  team: Type.String(),
  businessUnit: Type.String(),
  task: Type.String(),
  purposes: Type.Array(Type.String()),
  regulations: Type.Array(Type.String()),
  riskLevel: Type.String(),
  classification: Type.String({ description: "The most sensitive data in it" }),
  humanReview: Type.String(),
  explainability: Type.String(),
  fallback: Type.String(),
  accuracy: Type.Object({
    metric: Type.String(),
    floor: Type.Optional(Type.Number()),
    ceiling: Type.Optional(Type.Number()),
  }),
  fairness: Type.Optional(
    Type.Object({ attributes: Type.Array(Type.String()), maximumDifference: Type.Number() }),
  ),
  approvals: Type.Array(Approval),
});
export type CharterFacts = Static<typeof CharterFacts>;

/** One promotion, with what it was judged by. */
export const PromotionFacts = Type.Object({
  number: Type.Integer({ description: "1 for the first promotion of this version" }),
  to: EnvironmentName,
  promotedBy: Type.String(),
  promotedAt: Micros,
  gates: Type.Optional(
    Type.Array(GateResult, { description: "Absent for promotions of before these were kept" }),
  ),
  charterId: Type.Optional(Type.String()),
});
export type PromotionFacts = Static<typeof PromotionFacts>;

/** What people decided about a version once it was over: who asked, who approved, and what came of it. */
export const DecisionFacts = Type.Object({
  kind: Type.Enum(["release", "retraining", "size"], {
    description: "Its release, the retraining that made it, or the size of the run that made it",
  }),
  id: Type.String({ description: "Of the release, the retraining or the training run" }),
  environment: EnvironmentName,
  endpoint: Type.Optional(Type.String()),
  what: Type.Optional(Type.String({ description: "Of a size: what of it is above which" })),
  requestedBy: Type.String(),
  requestedAt: Micros,
  approvalsNeeded: Type.Integer({ description: "By others than the requester" }),
  approvals: Type.Array(Type.Object({ by: Type.String(), at: Micros })),
  outcome: Type.String({ description: "approved, promoted, rolled_back, inconclusive and such" }),
  decidedBy: Type.String(),
  decidedAt: Micros,
  reasons: Type.Array(Type.String()),
});
export type DecisionFacts = Static<typeof DecisionFacts>;

/** One deployment that named a version, with the configuration that it was served by. */
export const DeploymentFacts = Type.Object({
  id: Type.String(),
  endpoint: Type.String(),
  environment: EnvironmentName,
  role: Type.String({ description: "champion, secondary, or the name of a variant" }),
  deployedBy: Type.String(),
  deployedAt: Micros,
  route: Sha256,
  digest: Sha256,
  config: Type.Record(Type.String(), Type.Unknown(), {
    description:
      "Limits, fallbacks, batching, scaling, tiers, traffic, features and such; `digest` is of its canonical JSON",
  }),
});
export type DeploymentFacts = Static<typeof DeploymentFacts>;

export const AttestationView = Type.Object({
  about: Type.String({
    description:
      "`training`, `evaluation/<id>`, `promotion/<number>`, `release/<id>/<outcome>`, `retraining/<id>/<outcome>`, `size/<run>/approved` or `deployment/<id>`",
  }),
  predicateType: Type.String(),
  digest: Sha256,
  sizeBytes: Type.Integer(),
  signingKeyId: Type.String(),
  signedAt: Micros,
});
export type AttestationView = Static<typeof AttestationView>;

/** Everything on record of one version; what the platform cannot know of an imported one is absent. */
export const VersionRecord = Type.Object({
  version: ModelVersion,
  training: Type.Optional(TrainingFacts),
  packages: Type.Array(LockedPackage, { description: "Of the lock that its environment was built from" }),
  trainingSet: Type.Optional(TrainingSetFacts),
  charter: Type.Optional(CharterFacts),
  evaluations: Type.Array(EvaluationFacts, { description: "Newest first, at most 20" }),
  promotions: Type.Array(PromotionFacts, { description: "In order" }),
  decisions: Type.Array(DecisionFacts, { description: "Newest first, at most 20" }),
  deployments: Type.Array(DeploymentFacts, { description: "Newest first, at most 20" }),
  attestations: Type.Array(AttestationView),
});
export type VersionRecord = Static<typeof VersionRecord>;
