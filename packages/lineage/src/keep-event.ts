import {
  digestJson,
  type EpochMicros,
  type JsonObject,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import type { Audience } from "./audience.ts";
import type { LineageErrorCode } from "./errors.ts";
import { columnEdges } from "./openlineage/column-lineage.ts";
import type { FacetMap, RunEvent } from "./openlineage/event-schema.ts";
import type { LineageEvent } from "./openlineage/read-event.ts";
import { addEvent } from "./store/events.ts";
import { type FacetOwner, keepFacets, replaceColumnEdges, type StatedFacet } from "./store/facets.ts";
import { addMentions, type NodeName, nodeKey, takeAudience, takeNodes } from "./store/nodes.ts";
import {
  dropUnusedFlow,
  type Flow,
  findStoredRun,
  type RunKey,
  type RunState,
  readFlow,
  type StoredRun,
  saveRun,
  statedRun,
  takeFlow,
} from "./store/runs.ts";

/** Where an event was put. */
export interface Keeping {
  readonly digest: string;
  /** Of all datasets that it names, by `nodeKey`. */
  readonly datasetIds: ReadonlyMap<string, number>;
  /** Row of its run; absent for a dataset event. */
  readonly runRow?: number;
}

/**
 * Takes an event into the record and the graph, in the caller's transaction: facets accumulate by event time, a run has one terminal state,
 * and the same event again changes nothing.
 *
 * @throws PortolanError `lineage.run_ended` when the run has ended in another way
 */
export async function keepEvent(tx: Transaction, read: LineageEvent, audience: Audience): Promise<Keeping> {
  const { organisationId } = tx.call.actor;
  const digest = digestJson(read.event as unknown as JsonObject);
  const audienceId = await takeAudience(tx.sql, organisationId, audience);
  const named = datasetsOf(read);
  const sources = named.flatMap(({ dataset }) => edgesOf(dataset.facets ?? {}).map(({ from }) => from));
  const all = [...named.map(({ dataset }) => dataset), ...sources];
  const datasetIds = await takeNodes(tx.sql, "datasets", organisationId, all);
  const run = read.kind === "dataset" ? undefined : await openRun(tx, read, audienceId);
  const { kind, event: body, at } = read;
  const record = { organisationId, audienceId, digest, kind, eventAt: at.micros, body, now: tx.now };
  if ((await addEvent(tx.sql, record)) === undefined)
    return { digest, datasetIds, ...(run?.before ? { runRow: run.before.id } : {}) };
  await addMentions(tx.sql, audienceId, [...datasetIds.values()]);
  const idOf = (dataset: NodeName): number => datasetIds.get(nodeKey(dataset)) ?? 0;
  const facets: StatedFacet[] = named.flatMap(({ dataset, side }) => [
    ...stated("dataset", idOf(dataset), dataset.facets),
    ...(side === undefined ? [] : stated(side, idOf(dataset), dataset.sideFacets)),
  ]);
  const sideOf = (wanted: "input" | "output") =>
    named.filter(({ side }) => side === wanted).map(({ dataset }) => idOf(dataset));
  const runRow =
    run && (await advanceRun(tx, run, at.micros, { inputs: sideOf("input"), outputs: sideOf("output") }));
  if (read.kind !== "dataset" && run) facets.push(...stated("job", run.key.jobId, read.event.job.facets));
  if (read.kind === "run" && runRow !== undefined)
    facets.push(...stated("run", runRow, read.event.run.facets));
  for (const { ownerId, body: facet } of (await keepFacets(tx.sql, audienceId, at, facets)).filter(
    isColumnLineage,
  ))
    await replaceColumnEdges(
      tx.sql,
      { audienceId, datasetId: ownerId },
      columnEdges(facet ?? {}),
      datasetIds,
    );
  return { digest, datasetIds, ...(runRow === undefined ? {} : { runRow }) };
}

interface NamedDataset {
  readonly dataset: NodeName & { readonly facets?: FacetMap | null; readonly sideFacets?: FacetMap | null };
  readonly side?: "input" | "output";
}

function datasetsOf(read: LineageEvent): NamedDataset[] {
  if (read.kind === "dataset") return [{ dataset: read.event.dataset }] as NamedDataset[];
  const { inputs, outputs } = read.event;
  return [
    ...(inputs ?? []).map((one) => ({ dataset: { ...one, sideFacets: one.inputFacets }, side: "input" })),
    ...(outputs ?? []).map((one) => ({ dataset: { ...one, sideFacets: one.outputFacets }, side: "output" })),
  ] as NamedDataset[];
}

function edgesOf(facets: FacetMap) {
  const { columnLineage } = facets;
  return columnLineage === undefined ? [] : columnEdges(columnLineage);
}

function isColumnLineage({ owner, name }: StatedFacet): boolean {
  return owner === "dataset" && name === "columnLineage";
}

function stated(owner: FacetOwner, ownerId: number, facets: FacetMap | null | undefined): StatedFacet[] {
  return Object.entries(facets ?? {}).map(([name, body]) => ({
    owner,
    ownerId,
    name,
    body: body["_deleted"] === true ? null : body,
  }));
}

interface OpenRun {
  readonly key: RunKey;
  readonly before: StoredRun | undefined;
  readonly state: RunState;
}

/** The run, or what is stated of the job itself, with the state that it gets. @throws PortolanError `lineage.run_ended` */
async function openRun(
  tx: Transaction,
  read: Exclude<LineageEvent, { kind: "dataset" }>,
  audienceId: number,
): Promise<OpenRun> {
  const { organisationId } = tx.call.actor;
  const [jobId = 0] = (await takeNodes(tx.sql, "jobs", organisationId, [read.event.job])).values();
  const runId = read.kind === "run" ? read.event.run.runId.toLowerCase() : statedRun;
  const key = { organisationId, audienceId, jobId, runId };
  const before = await findStoredRun(tx.sql, key);
  return { key, before, state: read.kind === "run" ? nextState(before?.state, read.event) : "stated" };
}

/** Adds what the event says that the run read and wrote; resolves to its row. */
async function advanceRun(
  tx: Transaction,
  { key, before, state }: OpenRun,
  at: EpochMicros,
  said: Flow,
): Promise<number> {
  // A job event says all that the job reads; the events of a run add up.
  const earlier =
    state !== "stated" && before?.flowId
      ? await readFlow(tx.sql, before.flowId)
      : { inputs: [], outputs: [] };
  const flow = {
    inputs: [...earlier.inputs, ...said.inputs],
    outputs: [...earlier.outputs, ...said.outputs],
  };
  const flowId = flow.inputs.length + flow.outputs.length > 0 ? await takeFlow(tx.sql, key, flow) : null;
  const row = await saveRun(tx.sql, key, {
    state,
    flowId,
    ...(state === "stated" ? {} : { startedAt: at }),
    ...(isEnded(state) ? { endedAt: at } : {}),
  });
  if (before?.flowId && before.flowId !== flowId) await dropUnusedFlow(tx.sql, before.flowId);
  return row;
}

const terminal = { COMPLETE: "completed", FAIL: "failed", ABORT: "aborted" } as const;

function isEnded(state: RunState): boolean {
  return state !== "stated" && state !== "running";
}

/** @throws PortolanError `lineage.run_ended` */
function nextState(before: RunState | undefined, { eventType, run }: RunEvent): RunState {
  const ends =
    eventType === "COMPLETE" || eventType === "FAIL" || eventType === "ABORT"
      ? terminal[eventType]
      : undefined;
  if (before === undefined || before === "running") return ends ?? "running";
  if (ends === undefined || ends === before) return before;
  throw new PortolanError<LineageErrorCode>("lineage.run_ended", {
    detail: `the run ${run.runId} has ${before} already, and cannot be ${ends}`,
    mend: "Give another attempt a run id of its own; send what is learned later with the event type OTHER.",
    at: { pointer: "/eventType" },
  });
}
