import { randomUUID } from "node:crypto";

const producer = "https://example.com/etl";

/** A facet as the standard wants it. */
export function aFacet(name: string, version: string, body: object): Record<string, unknown> {
  return {
    _producer: producer,
    _schemaURL: `https://openlineage.io/spec/facets/${version}/${name}.json#/$defs/${name}`,
    ...body,
  };
}

export const schemaFacet = (...names: string[]) =>
  aFacet("SchemaDatasetFacet", "1-2-0", { fields: names.map((name) => ({ name, type: "VARCHAR" })) });

/** A dataset of a database, in the standard's naming. */
export function aTable(name: string, facets: object = {}) {
  return { namespace: "postgres://db:5432", name: `shop.public.${name}`, facets };
}

export interface RunSaid {
  readonly runId?: string;
  readonly eventType?: string | null;
  readonly eventTime?: string;
  readonly job?: string;
  readonly jobFacets?: object;
  readonly runFacets?: object;
  readonly inputs?: readonly object[];
  readonly outputs?: readonly object[];
}

export function aRunEvent(said: RunSaid = {}) {
  const {
    runId = randomUUID(),
    eventType = "COMPLETE",
    eventTime = "2026-11-26T08:00:00Z",
    job = "load",
  } = said;
  return {
    eventType,
    eventTime,
    producer,
    schemaURL: "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    run: { runId, facets: said.runFacets ?? {} },
    job: { namespace: "airflow", name: job, facets: said.jobFacets ?? {} },
    inputs: said.inputs ?? [],
    outputs: said.outputs ?? [],
  };
}
