import { type Static, Type } from "@portolan/typebox";

export const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
export const Sha256 = Type.String({
  pattern: "^sha256:[0-9a-f]{64}$",
  description: "SHA-256 content address",
});
export const FeatureName = Type.String({ pattern: "^[a-z][a-z0-9_]{0,62}$" });
export const Environment = Type.Union([
  Type.Literal("dev"),
  Type.Literal("staging"),
  Type.Literal("production"),
]);

export const FeatureViewResource = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.Integer(),
  teamId: Type.Optional(Type.String()),
  useCaseId: Type.Optional(Type.String()),
  digest: Type.String(),
  document: Type.String(),
  source: Type.String(),
  features: Type.Array(Type.String()),
  entity: Type.Array(Type.String()),
  publishedBy: Type.String(),
  publishedAt: Micros,
  advice: Type.Array(Type.String(), {
    description: "What may be meant otherwise than it is written, in words",
  }),
});
export type FeatureViewResource = Static<typeof FeatureViewResource>;

/** The newest version of a view, without its document. */
export const FeatureViewSummary = Type.Omit(FeatureViewResource, ["document"]);
export type FeatureViewSummary = Static<typeof FeatureViewSummary>;

export const TrainingSetRequest = Type.Object(
  {
    name: Type.String({ maxLength: 63 }),
    environment: Environment,
    useCaseId: Type.Optional(Type.String({ maxLength: 60 })),
    contract: Type.String({
      maxLength: 63,
      description: "Contract whose newest dataset gives the entity rows",
    }),
    purpose: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description:
          "What the data are read for, as policies on data name it; without a word `training`. Where policies speak of a contract, they have to allow it",
      }),
    ),
    datasetId: Type.Optional(Type.String({ maxLength: 60 })),
    from: Micros,
    to: Micros,
    sampleEvery: Type.Integer({ minimum: 1, default: 1, description: "Takes every n-th row, by row number" }),
    views: Type.Array(
      Type.Object(
        {
          view: Type.String({ maxLength: 63 }),
          version: Type.Optional(Type.Integer({ minimum: 1 })),
          entity: Type.Record(Type.String(), Type.String(), {
            description: "Column of the entity row for each of the view's keys",
          }),
          request: Type.Optional(
            Type.Record(FeatureName, Type.String({ maxLength: 2000 }), {
              description:
                "Of a view with on-demand features: each request field as an expression over the entity row; by default the column of its name",
            }),
          ),
        },
        { additionalProperties: false },
      ),
      { maxItems: 32 },
    ),
    request: Type.Array(
      Type.Object(
        { name: FeatureName, expression: Type.String({ maxLength: 2000 }) },
        { additionalProperties: false },
      ),
      { maxItems: 200 },
    ),
    label: Type.Object(
      { name: FeatureName, expression: Type.String({ maxLength: 2000 }) },
      { additionalProperties: false },
    ),
    attributes: Type.Optional(
      Type.Array(
        Type.Object(
          { name: FeatureName, expression: Type.String({ maxLength: 2000 }) },
          { additionalProperties: false },
        ),
        {
          maxItems: 32,
          description:
            "Columns that are kept beside the features, as number or text: models do not take them, evaluations slice by them. They are no part of the definition",
        },
      ),
    ),
    baseline: Type.Optional({
      ...FeatureName,
      description: "Feature whose value alone is the naive score that a model must beat",
    }),
  },
  { additionalProperties: false },
);
export type TrainingSetRequest = Static<typeof TrainingSetRequest>;

const TrainingSetViewPin = Type.Object({
  view: Type.String({ description: "`name@version`" }),
  digest: Sha256,
  log: Type.Optional(
    Type.Object(
      {
        id: Type.String(),
        digest: {
          ...Sha256,
          description: "Digest of its last segment's manifest, which names all before it",
        },
        lastSequence: Type.Integer({ description: "Records that were read: those up to this one" }),
      },
      { description: "The feature log that its values are from" },
    ),
  ),
  rows: Type.Optional(
    Type.Object(
      { found: Type.Integer(), notFound: Type.Integer(), outsideMaxAge: Type.Integer() },
      {
        description:
          "Rows by what the view knew of their entity; they add up to all rows. Absent of windows in sets of before",
      },
    ),
  ),
  nullKeys: Type.Optional(
    Type.Object(
      {
        entityRows: Type.Integer({ description: "Rows of the set: nothing is known of their entity" }),
        sourceRows: Type.Integer({
          description: "Rows of the view's source, as far as they were read: they count for no entity",
        }),
      },
      { description: "Rows that lack a key of the entity" },
    ),
  ),
});

export const TrainingSetManifest = Type.Object({
  object: Sha256,
  sizeBytes: Type.Integer(),
  datasetId: Type.String(),
  dataset: Sha256,
  rowsBefore: Type.Integer({ description: "Entity rows asked for" }),
  rowsAfter: Type.Integer({ description: "Rows of the training set; always the same number" }),
  from: Micros,
  to: Micros,
  features: Type.Array(Type.String(), { description: "Columns that a model takes, in order" }),
  label: Type.String(),
  attributes: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), expression: Type.String() }), {
      description: "Columns beside the features, and what they were made of",
    }),
  ),
  baseline: Type.Optional(Type.String()),
  definition: {
    ...Sha256,
    description:
      "Digest of what a row says: contract, views, features, label and baseline, whatever the time",
  },
  views: Type.Array(TrainingSetViewPin),
  nulls: Type.Optional(
    Type.Record(Type.String(), Type.Integer(), {
      description: "Null cells of each column that has any; absent once rows of the set were erased",
    }),
  ),
  statuses: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({
        present: Type.Integer(),
        null: Type.Integer(),
        notFound: Type.Integer(),
        outsideMaxAge: Type.Integer(),
      }),
      {
        description:
          "Rows by the status of each feature of a view, as a request would be told it; they add up to all rows. Absent once rows of the set were erased",
      },
    ),
  ),
  requestDigest: Sha256,
  accessPolicies: Type.Optional({
    ...Sha256,
    description: "Digest of all policies on data that were in force when its inputs were pinned",
  }),
  access: Type.Optional(
    Type.Object(
      {
        purpose: Type.String(),
        policies: Type.Array(Type.String(), {
          description: "Policies that took part; none where no policy speaks of what the set is made of",
        }),
        masks: Type.Array(Type.Object({ column: Type.String(), with: Type.String(), by: Type.String() }), {
          description: "Columns of the entity rows that were masked, and which policy asked for it",
        }),
        hidden: Type.Array(Type.String(), { description: "Columns of the entity rows that were not read" }),
        rowFilters: Type.Array(Type.String(), { description: "Policies whose row filters were applied" }),
        minGroup: Type.Optional(Type.Integer({ description: "Rows of smaller groups were left out" })),
        rowsKeptBack: Type.Integer({
          description:
            "Entity rows of the time asked for that the policies kept back; `rowsBefore` is without them",
        }),
      },
      { description: "What was applied of the policies on data" },
    ),
  ),
  parity: Type.Object({
    sampledRows: Type.Integer(),
    mismatches: Type.Integer(),
  }),
  dataClass: Type.Optional(
    Type.Literal("research", {
      description: "Made of de-identified research data: no model that learned from it reaches production",
    }),
  ),
});
export type TrainingSetManifest = Static<typeof TrainingSetManifest>;

export const TrainingSetView = Type.Object({
  id: Type.String(),
  environment: Environment,
  state: Type.Union(
    (["waiting", "running", "ready", "failed", "cancelled"] as const).map((state) => Type.Literal(state)),
  ),
  request: TrainingSetRequest,
  manifest: Type.Optional(TrainingSetManifest),
  failure: Type.Optional(Type.String()),
  startedBy: Type.Optional(Type.String({ description: "Principal that started it" })),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
});
export interface TrainingSetView {
  readonly id: string;
  readonly environment: Static<typeof Environment>;
  readonly state: "waiting" | "running" | "ready" | "failed" | "cancelled";
  readonly request: TrainingSetRequest;
  readonly manifest?: TrainingSetManifest;
  readonly failure?: string;
  readonly startedBy?: string;
  readonly startedAt: number;
  readonly finishedAt?: number;
}

/** A training set without what it was asked for and what it is made of. */
export const TrainingSetSummary = Type.Object({
  id: Type.String(),
  name: Type.String(),
  environment: Environment,
  useCaseId: Type.Optional(Type.String()),
  contract: Type.String(),
  state: Type.Enum(["waiting", "running", "ready", "failed", "cancelled"]),
  rows: Type.Optional(Type.Integer({ description: "Once it is ready" })),
  failure: Type.Optional(Type.String()),
  startedBy: Type.String({ description: "Principal that started it" }),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
});
export type TrainingSetSummary = Static<typeof TrainingSetSummary>;

export const MaterializationRequest = Type.Object(
  {
    environment: Environment,
    useCaseId: Type.Optional(
      Type.String({ maxLength: 63, description: "Whose data; by default the view's own use case" }),
    ),
    version: Type.Optional(Type.Integer({ minimum: 1 })),
    datasetId: Type.Optional(Type.String({ maxLength: 60 })),
    purpose: Type.Optional(
      Type.String({
        pattern: "^[a-z][a-z0-9-]{0,62}$",
        description:
          "What the values are served for, by which policies on data are asked; `serving` where it is not said",
      }),
    ),
    asOf: Micros,
  },
  { additionalProperties: false },
);
export type MaterializationRequest = Static<typeof MaterializationRequest>;

export const MaterializationView = Type.Object({
  id: Type.String(),
  view: Type.String(),
  asOf: Micros,
  purpose: Type.Optional(Type.String()),
  state: Type.Union(
    (["waiting", "running", "done", "failed", "cancelled"] as const).map((state) => Type.Literal(state)),
  ),
  keyCount: Type.Optional(Type.Integer()),
  failure: Type.Optional(Type.String()),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
});
export interface MaterializationView {
  readonly id: string;
  readonly view: string;
  readonly asOf: number;
  /** Absent of materialisations from before policies were asked. */
  readonly purpose?: string;
  readonly state: "waiting" | "running" | "done" | "failed" | "cancelled";
  readonly keyCount?: number;
  readonly failure?: string;
  readonly startedAt: number;
  readonly finishedAt?: number;
}
