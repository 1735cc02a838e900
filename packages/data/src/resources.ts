import { type Static, Type } from "@portolan/typebox";
import type { SchemaDrift } from "./sources/observe-sources.ts";
import type { SourceFormat } from "./sources/source-plan.ts";

const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "SHA-256 content address" });
const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
export const EnvironmentName = Type.Union([
  Type.Literal("dev"),
  Type.Literal("staging"),
  Type.Literal("production"),
]);

/** A file on the server's host (in a folder that it may read from), an uploaded object, or a table of another system. */
export const Source = Type.Object(
  {
    path: Type.Optional(Type.String({ maxLength: 1000 })),
    connection: Type.Optional(
      Type.String({
        pattern: "^[a-z][a-z0-9-]{0,62}$",
        description: "The operator's connection to the database that has the relation",
      }),
    ),
    relation: Type.Optional(
      Type.String({
        pattern: "^[^.]{1,63}\\.[^.]{1,63}$",
        description: "Table or view of a PostgreSQL database, schema.name",
      }),
    ),
    object: Type.Optional(Sha256),
    format: Type.Optional(Type.Union([Type.Literal("parquet"), Type.Literal("csv"), Type.Literal("jsonl")])),
    csv: Type.Optional(
      Type.Object(
        {
          delimiter: Type.String({ minLength: 1, maxLength: 1 }),
          quote: Type.String({ minLength: 1, maxLength: 1, default: '"' }),
        },
        {
          additionalProperties: false,
          description: "How a CSV file is written; by default found by its header and the contract",
        },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Source = Static<typeof Source>;

/** A source as an ingestion shows it: of a replay, what the first one accepted and kept out. */
const SourceView = Type.Object({
  ...Source.properties,
  format: Type.Optional(
    Type.Union(
      (["parquet", "csv", "jsonl", "events", "accepted", "quarantine"] as const).map((one) =>
        Type.Literal(one),
      ),
    ),
  ),
});
export type SourceView = Omit<Source, "format"> & { readonly format?: SourceFormat };

export const ContractView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.String(),
  teamId: Type.Optional(Type.String()),
  useCaseId: Type.Optional(Type.String()),
  digest: Type.String(),
  document: Type.String(),
  references: Type.Record(Type.String(), Type.String(), {
    description: "Digests of the tables that it refers to, by file name",
  }),
  publishedBy: Type.String(),
  publishedAt: Micros,
});
export type ContractView = Static<typeof ContractView>;

/** The newest version of a contract, without its document. */
export const ContractSummary = Type.Object({
  ...Type.Omit(ContractView, ["document", "references"]).properties,
  columns: Type.Integer({ description: "How many it describes" }),
});
export type ContractSummary = Static<typeof ContractSummary>;

const Counts = Type.Object({
  accepted: Type.Integer(),
  quarantined: Type.Integer(),
  deadLetters: Type.Integer(),
});

export const IngestionView = Type.Object({
  id: Type.String(),
  contract: Type.String(),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  sources: Type.Array(SourceView),
  asOf: Type.Optional(Micros),
  state: Type.Union(
    (["waiting", "running", "published", "refused", "failed", "cancelled"] as const).map((state) =>
      Type.Literal(state),
    ),
  ),
  sourceDigest: Type.Optional(Type.String()),
  counts: Type.Optional(Counts),
  rules: Type.Optional(Type.Record(Type.String(), Type.Integer())),
  failures: Type.Optional(Type.Array(Type.String())),
  datasetId: Type.Optional(Type.String()),
  quarantine: Type.Optional(Type.String()),
  deadLetters: Type.Optional(Type.String()),
  replayOf: Type.Optional(Type.String({ description: "Ingestion whose rows were judged again" })),
  warnings: Type.Optional(
    Type.Array(Type.String(), { description: "Rules that only advise, and do not hold" }),
  ),
  drift: Type.Optional(
    Type.Object({
      added: Type.Array(Type.String()),
      missing: Type.Array(Type.String()),
      changed: Type.Array(
        Type.Object({ column: Type.String(), before: Type.String(), after: Type.String() }),
      ),
    }),
  ),
  nulls: Type.Optional(
    Type.Record(Type.String(), Type.Integer(), { description: "Accepted rows in which a column is null" }),
  ),
  elapsedMs: Type.Optional(Type.Integer({ description: "What judging took, milliseconds" })),
  startedAt: Micros,
  finishedAt: Type.Optional(Micros),
});
export interface IngestionView {
  readonly id: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId?: string;
  readonly sources: readonly SourceView[];
  readonly asOf?: number;
  readonly state: "waiting" | "running" | "published" | "refused" | "failed" | "cancelled";
  readonly sourceDigest?: string;
  readonly counts?: Static<typeof Counts>;
  /** Broken rules and how many rows broke each. */
  readonly rules?: Readonly<Record<string, number>>;
  /** Why the batch gate refused it. */
  readonly failures?: readonly string[];
  readonly datasetId?: string;
  readonly quarantine?: string;
  readonly deadLetters?: string;
  readonly replayOf?: string;
  readonly warnings?: readonly string[];
  readonly drift?: SchemaDrift;
  readonly nulls?: Readonly<Record<string, number>>;
  readonly elapsedMs?: number;
  readonly startedAt: number;
  readonly finishedAt?: number;
}

export const DatasetManifest = Type.Object({
  id: Type.String(),
  contract: Type.String(),
  contractDigest: Type.String(),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  object: Type.String({ description: "Content address of the Parquet file" }),
  sizeBytes: Type.Integer(),
  sourceDigest: Type.String(),
  rowCount: Type.Integer(),
  columns: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
  eventTime: Type.Optional(Type.String()),
  minEventTime: Type.Optional(Micros),
  maxEventTime: Type.Optional(Micros),
  ingestionId: Type.String(),
  publishedAt: Micros,
  batchAt: Type.Integer({
    description:
      "When its batch first came to its end, microseconds since 1970-01-01T00:00:00Z; the newest is read",
  }),
  dataClass: Type.Optional(
    Type.Literal("research", {
      description: "De-identified research data: nothing that is made of it reaches production",
    }),
  ),
});
export type DatasetManifest = Static<typeof DatasetManifest>;
