import { type AnalysisResult, type DataClass, integerCell } from "@portolan/data/contract";
import { asPlace, type JobRun } from "@portolan/kernel";
import type { TrainingSetManifest } from "../resources.ts";
import { dataClassAmong } from "../store.ts";
import type { Pinned } from "../training-sets.ts";
import { hasLog } from "../view-model.ts";
import { noDataset } from "../views.ts";
import { appendDatasets, type LogDeps, openLog } from "./append-datasets.ts";

/** Takes what the sources published into the logs that the set reads, and pins where they end. */
export async function pinLogs(
  deps: LogDeps,
  job: JobRun,
  { request, views }: Pick<Pinned, "request" | "views">,
): Promise<PinnedLogs> {
  const pinned: Record<number, PinnedLog> = {};
  for (const [index, { body: view, digest }] of views.entries()) {
    if (!hasLog(view)) continue;
    const { environment, useCaseId } = request;
    const owner = asPlace({ useCaseId });
    const log = await openLog(deps, job.call, { view, digest, environment, owner });
    const segments = await appendDatasets({ ...deps, signal: job.signal }, job.call, log, view);
    const last = segments.at(-1);
    if (!last) throw noDataset(view.source, environment);
    const dataClass = await deps.uow.read(job.call, (sql) =>
      dataClassAmong(
        sql,
        log.organisation_id,
        segments.map((segment) => segment.dataset_id),
      ),
    );
    pinned[index] = {
      ...(dataClass ? { dataClass } : {}),
      id: log.id,
      digest: last.digest,
      lastSequence: last.last_sequence,
      objects: segments.map(({ object }) => object),
      withoutKey: segments.reduce((sum, { without_key: rows }) => sum + (rows ?? 0), 0),
    };
  }
  return pinned;
}

/** A log as far as a set reads it. */
export interface PinnedLog {
  readonly id: string;
  readonly digest: string;
  readonly lastSequence: number;
  readonly objects: readonly string[];
  /** Rows of the datasets that it took in which are no record for want of a key. */
  readonly withoutKey?: number;
  /** Of what it took in. */
  readonly dataClass?: DataClass;
}
/** By the view's place in the request. */
export type PinnedLogs = Readonly<Record<number, PinnedLog>>;

/** Entity rows without a key of the view, and rows of its source that count for no entity for want of one. */
export function nullKeysOf(
  log: PinnedLog | undefined,
  result: AnalysisResult,
  index: number,
): { readonly entityRows: number; readonly sourceRows: number } {
  const row = result.rows["null_keys"]?.find(({ view }) => Number(view) === index);
  return {
    entityRows: integerCell(row, "rows"),
    sourceRows: log ? (log.withoutKey ?? 0) : integerCell(row, "events"),
  };
}

/** What a set's manifest says of a view's log; nothing of a view without one. */
export function logOf(log: PinnedLog | undefined): Pick<TrainingSetManifest["views"][number], "log"> {
  return log ? { log: { id: log.id, digest: log.digest, lastSequence: log.lastSequence } } : {};
}
