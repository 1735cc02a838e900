import { type Static, Type } from "@portolan/typebox";

const Name = Type.Object({ namespace: Type.String(), name: Type.String() });
const Facets = Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown()));
const Edge = Type.Object({ origin: Type.String(), destination: Type.String() });
const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
const edges = { inEdges: Type.Array(Edge), outEdges: Type.Array(Edge) };

const LatestRun = Type.Object({
  runId: Type.String(),
  state: Type.Enum(["stated", "running", "completed", "failed", "aborted"]),
  startedAt: Type.Optional(Micros),
  endedAt: Type.Optional(Micros),
  facets: Facets,
});

/** A node of the graph, as Marquez's API names its members. */
export const LineageNode = Type.Object({
  id: Type.String({ description: "dataset:<namespace>:<name> or job:<namespace>:<name>" }),
  type: Type.Union([Type.Literal("DATASET"), Type.Literal("JOB")]),
  data: Type.Object({
    id: Name,
    namespace: Type.String(),
    name: Type.String(),
    aliases: Type.Array(Type.String(), { description: "Portolan's own names and ids of it" }),
    facets: Facets,
    inputFacets: Type.Optional(Facets),
    outputFacets: Type.Optional(Facets),
    latestRun: Type.Optional(LatestRun),
  }),
  ...edges,
});
export type LineageNode = Static<typeof LineageNode>;

/** What a job read and wrote together: a snapshot comes from the file of its own ingestion, not from those of all of them. */
const LineageFlow = Type.Object({
  job: Type.String({ description: "Id of the job's node" }),
  inputs: Type.Array(Type.String()),
  outputs: Type.Array(Type.String()),
});

export const LineageGraph = Type.Object({
  roots: Type.Array(Type.String(), { description: "Nodes that were asked for" }),
  graph: Type.Array(LineageNode),
  flows: Type.Array(LineageFlow),
  truncated: Type.Boolean({ description: "There is more beyond the depth or size that was asked for" }),
});
export type LineageGraph = Static<typeof LineageGraph>;

const Transformation = Type.Object({
  type: Type.String({ description: "DIRECT or INDIRECT" }),
  subtype: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  masking: Type.Optional(Type.Boolean()),
});

/** A column; without `field` it is the dataset as a whole, which depends on what it is filtered, joined or sorted by. */
const ColumnNode = Type.Object({
  id: Type.String({ description: "datasetField:<namespace>:<name>:<field>" }),
  type: Type.Literal("DATASET_FIELD"),
  data: Type.Object({
    namespace: Type.String(),
    dataset: Type.String(),
    field: Type.Optional(Type.String()),
    inputFields: Type.Array(
      Type.Object({
        namespace: Type.String(),
        dataset: Type.String(),
        field: Type.Optional(Type.String()),
        transformations: Type.Array(Transformation),
      }),
    ),
  }),
  ...edges,
});
export type ColumnNode = Static<typeof ColumnNode>;

export const ColumnGraph = Type.Object({
  roots: Type.Array(Type.String()),
  graph: Type.Array(ColumnNode),
  truncated: Type.Boolean(),
});
export type ColumnGraph = Static<typeof ColumnGraph>;

export const EventPage = Type.Object({
  events: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  nextPage: Type.Optional(Type.String()),
});
export type EventPage = Static<typeof EventPage>;

export const BatchAnswer = Type.Object({
  status: Type.Union([Type.Literal("success"), Type.Literal("partial_success")]),
  summary: Type.Object({
    received: Type.Integer(),
    successful: Type.Integer(),
    failed: Type.Integer(),
  }),
  failed_events: Type.Array(
    Type.Object({
      index: Type.Integer(),
      code: Type.String(),
      reason: Type.String(),
      retriable: Type.Boolean(),
    }),
  ),
});
export type BatchAnswer = Static<typeof BatchAnswer>;
