/** What others may see of batch scoring: requests, runs and the manifests of scored snapshots. */
import { jobTimes, QueueView, WorkRequest } from "@portolan/capacity/contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Name = Type.String({ minLength: 1, maxLength: 200 });
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const Micros = Type.Integer({ description: "Epoch microseconds" });
const EnvironmentName = Type.Enum([...environments]);

const asked = {
  environment: EnvironmentName,
  endpoint: Type.Optional(
    Type.String({
      maxLength: 100,
      description: "Scores as this endpoint answers: its champion, columns and rules",
    }),
  ),
  model: Type.Optional(
    Type.String({ maxLength: 100, description: "Instead of an endpoint: a version, its inputs as they are" }),
  ),
  version: Type.Optional(Type.Integer({ minimum: 1 })),
  datasetId: Type.String({
    maxLength: 60,
    description: "A dataset snapshot (ds_…) or a training set (ts_…)",
  }),
  purpose: Type.Optional(Type.String({ maxLength: 100 })),
  columns: Type.Optional(
    Type.Array(Name, {
      minItems: 1,
      maxItems: 2000,
      description:
        "Columns that fill the model's inputs, in their order; absent: by name, or a training set's features",
    }),
  ),
  keys: Type.Optional(
    Type.Array(Name, {
      maxItems: 50,
      uniqueItems: true,
      description: "Columns that are put beside the scores",
    }),
  ),
};

/** The same question without an effect. */
export const ScoringQuestion = Type.Object(asked, closed);
export type ScoringQuestion = Static<typeof ScoringQuestion>;

export const ScoringRequest = Type.Object(
  {
    ...asked,
    out: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,99}$", description: "Name of the scored snapshot" }),
    ...jobTimes,
    upstreamCost: Type.Optional(
      Type.String({
        pattern: "^\\d{1,9}(\\.\\d{1,9})? [A-Z]{3}$",
        description:
          "What the server that runs the version costs for 1,000 rows, e.g. `0.02 EUR`; put beside the cost of the work here",
      }),
    ),
    priority: Type.Optional(
      Type.Integer({
        minimum: -10,
        maximum: 10,
        description: "Among waiting jobs, the highest first; default 0",
      }),
    ),
    resources: Type.Optional(WorkRequest),
  },
  closed,
);
export type ScoringRequest = Static<typeof ScoringRequest>;

const Charter = Type.Object({
  id: Type.String(),
  version: Type.Integer(),
  digest: Sha256,
  classification: Type.String({ description: "The most sensitive data in it" }),
});

export const ScoringPlan = Type.Object({
  useCaseId: Type.String(),
  model: Type.Object({ name: Name, version: Type.Integer(), digest: Sha256 }),
  charter: Type.Union([Charter, Type.Null()]),
  dataset: Type.Object({ id: Type.String(), name: Type.String(), object: Sha256 }),
  rows: Type.Integer(),
  chunks: Type.Integer(),
  inputs: Type.Array(Type.Object({ tensor: Name, columns: Type.Array(Name) })),
  keys: Type.Array(Name),
  access: Type.Optional(
    Type.Object(
      {
        purpose: Type.String(),
        policies: Type.Array(Type.String()),
        policyDigest: Type.String({ description: "Of all policies on data then in force" }),
      },
      {
        description:
          "By which policies on data the rows were read; absent of scorings from before they were asked",
      },
    ),
  ),
  upstream: Type.Optional(
    Type.Object(
      { region: Type.String(), owner: Type.String() },
      { description: "Where another server runs the version; absent: it runs here" },
    ),
  ),
});
export type ScoringPlan = Static<typeof ScoringPlan>;

const Cost = Type.Object({
  perThousandRows: Type.String({ description: "e.g. 0.000012 USD" }),
  perThousandRealTime: Type.String({
    description: "The same number of predictions one by one, as the plan prices them",
  }),
  cpuHour: Type.String({ description: "Price of a core for an hour" }),
  realTimeCpuMs: Type.Number({ description: "CPU time of one prediction that the plan assumes" }),
});

const Upstream = Type.Object({
  requests: Type.Integer({
    description:
      "Runs that the server of the version was asked for, repeated ones included, in the attempts at chunks that were kept. What a chunk had asked for before it was put off or broke off is not counted: the server may have been asked for more",
  }),
  busySeconds: Type.Number({ description: "Time that these were under way, added up" }),
  perThousandRows: Type.Union([Type.String(), Type.Null()], {
    description: "What that server costs, as whoever started the scoring stated it; null: nobody did",
  }),
});

export const ScoredBytes = Type.Object(
  {
    in: Type.Integer({ description: "Of the values that were read: inputs and keys, refused rows too" }),
    out: Type.Integer({ description: "Of the values that were written, in all columns" }),
  },
  {
    description:
      "Bytes of values, not of files: a number has those of its type, a text its UTF-8 and four more, what is null none. Absent where a chunk is from before they were counted",
  },
);
export type ScoredBytes = Static<typeof ScoredBytes>;

/** The immutable list of what was scored, how, and from what. */
export const ScoredManifest = Type.Object({
  id: Type.String(),
  name: Type.String(),
  object: Sha256,
  sizeBytes: Type.Integer(),
  rows: Type.Integer(),
  refusedRows: Type.Integer({ description: "Rows without scores; the column `_refused` says why" }),
  plan: ScoringPlan,
  chunks: Type.Array(Type.Object({ rows: Type.Integer(), object: Sha256 })),
  rowsPerRun: Type.Integer({
    description: "1 where rows of one run would not equal rows of their own, to the bit",
  }),
  cpuSeconds: Type.Number(),
  cost: Type.Union([Cost, Type.Null()], { description: "Of the work done here" }),
  upstream: Type.Optional(Upstream),
  bytes: Type.Optional(ScoredBytes),
});
export type ScoredManifest = Static<typeof ScoredManifest>;

export const Scoring = Type.Object({
  id: Type.String(),
  state: Type.Enum(["waiting", "running", "ready", "failed", "cancelled"]),
  request: ScoringRequest,
  plan: ScoringPlan,
  job: Type.String(),
  manifest: Type.Optional(ScoredManifest),
  failure: Type.Optional(Type.String()),
  startedBy: Type.String(),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
  queue: Type.Optional(QueueView),
});
export type Scoring = Static<typeof Scoring>;
