import { jobTimes, QueueView, WorkRequest } from "@portolan/capacity/contract";
import { type Static, Type } from "@portolan/typebox";
import { TrainingWork } from "./attempt-schema.ts";

const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "SHA-256 content address" });
const Environment = Type.Union([Type.Literal("dev"), Type.Literal("staging"), Type.Literal("production")]);

export const TrainingRunRequest = Type.Object(
  {
    environment: Environment,
    useCaseId: Type.Optional(Type.String({ maxLength: 60 })),
    trainingSetId: Type.String({ maxLength: 60 }),
    code: Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "Uploaded trainer program" }),
    locks: Type.Record(Type.String({ pattern: "^3\\.1[0-4]$" }), Sha256, {
      description: "Uploaded hash-locked requirements per Python minor",
    }),
    params: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Boolean()])),
    seed: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }),
    backend: Type.Optional(
      Type.Union([Type.Literal("process"), Type.Literal("ray")], {
        description:
          "Where it runs: an isolated process beside the server (without a word), or a job of the Ray cluster that the operator configured",
      }),
    ),
    checkpointIntervalSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description: "The program leaves a checkpoint at least so often; one that does not come is told of",
      }),
    ),
    preemptible: Type.Optional(
      Type.Boolean({
        description: "Whether it makes room for more urgent runs; without a word all but production's do",
      }),
    ),
    resources: Type.Optional(WorkRequest),
    ...jobTimes,
    priority: Type.Optional(
      Type.Integer({
        minimum: -10,
        maximum: 10,
        description: "Of runs that wait, the higher goes first; default 0",
      }),
    ),
    baseModel: Type.Optional(
      Type.Object(
        {
          name: Type.String({ maxLength: 100 }),
          version: Type.Integer({ minimum: 1 }),
          digest: Type.Optional(
            Type.String({
              pattern: "^sha256:[0-9a-f]{64}$",
              description: "Its artifact; filled in where it is absent, refused where it is another",
            }),
          ),
        },
        {
          additionalProperties: false,
          description:
            "A version of this use case that the program starts from, e.g. to quantise it; it learned from the same training set",
        },
      ),
    ),
  },
  { additionalProperties: false },
);
export type TrainingRunRequest = Static<typeof TrainingRunRequest>;

/** A guarantee of differential privacy, computed by Portolan from what the run was asked to do; for rows that are added or removed. */
export const TrainingPrivacy = Type.Object({
  mechanism: Type.Literal("dp-sgd"),
  unit: Type.Literal("row", { description: "Whose presence is hidden" }),
  noiseMultiplier: Type.Number({ description: "Standard deviation of the noise over the clipping norm" }),
  samplingRate: Type.Number({ description: "With what probability a row is in a step's sample" }),
  steps: Type.Integer(),
  delta: Type.Number(),
  epsilon: Type.Number({ description: "By Rényi differential privacy of the sampled Gaussian mechanism" }),
  order: Type.Number({ description: "Of the Rényi divergence that gave it" }),
  noise: Type.Union([Type.Literal("secret"), Type.Literal("reproducible")], {
    description:
      "reproducible: whoever reads the run's seed can take the noise off, so nothing is hidden from them",
  }),
});
export type TrainingPrivacy = Static<typeof TrainingPrivacy>;

/** Where a run was trained, other than beside the server. */
export const TrainingBackendRecord = Type.Object({
  kind: Type.Literal("ray"),
  version: Type.String({ description: "Of Ray, as the trainer found it" }),
  region: Type.String({ description: "As the operator declares it" }),
  owner: Type.String({ description: "As the operator declares it" }),
});
export type TrainingBackendRecord = Static<typeof TrainingBackendRecord>;

/** Everything that went in and came out: same inputs, same model, where the library allows. */
export const TrainingRunResult = Type.Object({
  model: Sha256,
  modelSizeBytes: Type.Integer(),
  metrics: Type.Record(Type.String(), Type.Number()),
  log: Sha256,
  data: Sha256,
  base: Type.Optional(
    Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "The model that it started from" }),
  ),
  code: Sha256,
  params: Sha256,
  environmentLock: Sha256,
  python: Type.String(),
  seed: Type.Integer(),
  networkBlocked: Type.Boolean(),
  isolation: Type.Union([Type.Literal("namespaces"), Type.Literal("account"), Type.Literal("none")], {
    description: "What kept the trainer from the server's files and processes",
  }),
  backend: Type.Optional(TrainingBackendRecord),
  privacy: Type.Optional(TrainingPrivacy),
});
export type TrainingRunResult = Static<typeof TrainingRunResult>;

export { TrainingAttempt, TrainingWork } from "./attempt-schema.ts";
export { TrainingLog } from "./training-log-schema.ts";

export const TrainingRunView = Type.Object({
  id: Type.String(),
  environment: Environment,
  state: Type.Union(
    (["waiting", "running", "succeeded", "failed", "cancelled"] as const).map((state) => Type.Literal(state)),
  ),
  request: TrainingRunRequest,
  result: Type.Optional(TrainingRunResult),
  failure: Type.Optional(Type.String()),
  work: Type.Optional(TrainingWork),
  queue: Type.Optional(QueueView),
  startedBy: Type.String({ description: "Id of the person or service account" }),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
});
export interface TrainingRunView {
  readonly id: string;
  readonly environment: Static<typeof Environment>;
  readonly state: "waiting" | "running" | "succeeded" | "failed" | "cancelled";
  readonly request: TrainingRunRequest;
  readonly result?: TrainingRunResult;
  readonly failure?: string;
  /** Its attempts; absent in the answer to the request that starts it. */
  readonly work?: TrainingWork;
  /** Where it stands by its team's quotas; absent where there are none. */
  readonly queue?: QueueView;
  readonly startedBy: string;
  readonly startedAt: number;
  readonly finishedAt?: number;
}
