import { type Static, Type } from "@portolan/typebox";

// OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json). Members that the standard does not name are kept as they are, and
// a facet is any object: producers send facets without `_producer`, and newer ones than we know.

const Name = Type.String({ minLength: 1, maxLength: 2000 });
const Facet = Type.Record(Type.String(), Type.Unknown());
const Facets = Type.Optional(Type.Union([Type.Record(Type.String({ maxLength: 500 }), Facet), Type.Null()]));

const dataset = { namespace: Name, name: Name, facets: Facets };
const Dataset = Type.Object(dataset);
const InputDataset = Type.Object({ ...dataset, inputFacets: Facets });
const OutputDataset = Type.Object({ ...dataset, outputFacets: Facets });
const Job = Type.Object({ namespace: Name, name: Name, facets: Facets });
const Run = Type.Object({
  runId: Type.String({ pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" }),
  facets: Facets,
});

/** Datasets of one event, on each side; a job that reads more says so in several events. */
const mostDatasets = 1000;
const io = {
  inputs: Type.Optional(Type.Union([Type.Array(InputDataset, { maxItems: mostDatasets }), Type.Null()])),
  outputs: Type.Optional(Type.Union([Type.Array(OutputDataset, { maxItems: mostDatasets }), Type.Null()])),
};
const common = {
  eventTime: Type.String({ maxLength: 64 }),
  producer: Type.String({ minLength: 1, maxLength: 2000 }),
  schemaURL: Type.Optional(Type.String({ maxLength: 2000 })),
};
const eventTypes = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"] as const;

/** A change of a run's state, with what it read and wrote. */
export const RunEvent = Type.Object({
  ...common,
  eventType: Type.Optional(Type.Union([Type.Enum([...eventTypes]), Type.Null()])),
  run: Run,
  job: Job,
  ...io,
});
export type RunEvent = Static<typeof RunEvent>;

/** What a job reads and writes as it stands, without a run. */
export const JobEvent = Type.Object({ ...common, job: Job, ...io });
export type JobEvent = Static<typeof JobEvent>;

/** What a dataset is, without a job. */
export const DatasetEvent = Type.Object({ ...common, dataset: Dataset });
export type DatasetEvent = Static<typeof DatasetEvent>;

export type FacetMap = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
