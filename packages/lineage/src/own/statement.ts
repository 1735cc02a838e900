import { type EpochMicros, formatInstant, type JsonObject } from "@portolan/kernel";
import type { Audience } from "../audience.ts";
import type { Alias } from "../store/aliases.ts";
import type { NodeName } from "../store/nodes.ts";
import { type Facets, jobType, producer } from "./facets.ts";

/** A row of the ledger that tells of a thing. */
export interface ToldRow {
  readonly organisationId: string;
  /** Place in the log. */
  readonly position: number;
  readonly at: EpochMicros;
  readonly event: string;
  readonly subject: string;
  readonly detail: JsonObject;
}

/** A name or id of a dataset of the event, or (without one) of its run. */
export type GivenName = Alias & { readonly dataset?: NodeName };

/** What Portolan says of a thing of its own: an event, whom it is for, and what else the things in it are called. */
export interface OwnStatement {
  readonly event: Readonly<Record<string, unknown>>;
  readonly audience: Audience;
  readonly names: readonly GivenName[];
}

/** A dataset in an event of ours. */
export interface StatedDataset extends NodeName {
  readonly facets?: Facets;
  readonly inputFacets?: Facets;
  readonly outputFacets?: Facets;
}

interface Told {
  readonly at: EpochMicros;
  readonly job: NodeName;
  /** In the standard's job type facet, e.g. `INGESTION`. */
  readonly jobType: string;
  readonly inputs: readonly StatedDataset[];
  readonly outputs?: readonly StatedDataset[];
}

const schemaUrl = (kind: string) => `https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/${kind}`;

function common(at: EpochMicros, kind: string) {
  return { eventTime: formatInstant(at), producer, schemaURL: schemaUrl(kind) };
}

function jobOf({ job, jobType: type, inputs, outputs = [] }: Told) {
  return { job: { ...job, facets: jobType(type) }, inputs, outputs };
}

export function runEvent(
  eventType: "START" | "COMPLETE" | "FAIL" | "ABORT",
  runId: string,
  told: Told & { readonly runFacets?: Facets },
): OwnStatement["event"] {
  const run = { runId, facets: told.runFacets ?? {} };
  return { eventType, ...common(told.at, "RunEvent"), run, ...jobOf(told) };
}

/** Of a definition, which no run made. */
export function jobEvent(told: Told): OwnStatement["event"] {
  return { ...common(told.at, "JobEvent"), ...jobOf(told) };
}

export function datasetEvent(at: EpochMicros, dataset: StatedDataset): OwnStatement["event"] {
  return { ...common(at, "DatasetEvent"), dataset };
}

/** Both ends of a run that took no time. */
export function atOnce(
  runId: string,
  told: Told,
  audience: Audience,
  names: OwnStatement["names"],
): OwnStatement[] {
  const { outputs: _, ...begun } = told;
  return [
    { event: runEvent("START", runId, begun), audience, names: [] },
    { event: runEvent("COMPLETE", runId, told), audience, names },
  ];
}
