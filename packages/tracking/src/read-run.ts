import { type CallContext, PortolanError } from "@portolan/kernel";
import type { MetricPage, RunStatus, TrackedData } from "./contract.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { findRun, type RunDeps } from "./find-run.ts";
import { type PointOfRun, type PointPosition, readInterval, readPoints } from "./points-store.ts";
import type { TrackedRun } from "./ports.ts";
import { readRunData, readRunHead, type StoredRun } from "./store.ts";

export type ReadDeps = RunDeps;

/** What one page of points holds at most; the size that MLflow's client asks for. */
const mostPoints = 25_000;

/** A run with all that was logged to it but the points. @throws PortolanError 404 as `findRun` does. */
export async function readRun(
  deps: ReadDeps,
  call: CallContext,
  runId: string,
): Promise<{ readonly run: TrackedRun; readonly data: StoredRun }> {
  const run = await findRun(deps, call, runId);
  return { run, data: await deps.work.read(call, (sql) => readRunData(sql, runId)) };
}

/** A run as `RunInfo` shows it. @throws PortolanError 404 as `findRun` does. */
export async function readRunInfo(
  deps: ReadDeps,
  call: CallContext,
  runId: string,
  nameKey: string,
): Promise<{ readonly run: TrackedRun; readonly data: Pick<StoredRun, "row" | "tags"> }> {
  const run = await findRun(deps, call, runId);
  return { run, data: await deps.work.read(call, (sql) => readRunHead(sql, runId, nameKey)) };
}

/** The same as our own API shows it. */
export async function readTrackedData(
  deps: ReadDeps,
  call: CallContext,
  runId: string,
): Promise<TrackedData> {
  const { data } = await readRun(deps, call, runId);
  const record = (entries: StoredRun["params"]) =>
    Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  const metrics = data.metrics.map(({ key, ...point }) => ({ key, ...shown(point) }));
  return { runId, params: record(data.params), tags: record(data.tags), metrics };
}

const stateStatus = {
  waiting: "SCHEDULED",
  running: "RUNNING",
  succeeded: "FINISHED",
  failed: "FAILED",
  cancelled: "KILLED",
} as const satisfies Record<TrackedRun["state"], RunStatus>;

/** How the run stands. A settled run is what the platform says; an open one what its trainer says, if it says anything. Pure. */
export function standingOf(
  run: TrackedRun,
  reported: { readonly status: RunStatus | null; readonly endMs: number | null },
): { readonly status: RunStatus; readonly endMs?: number } {
  if (run.finishedAt !== undefined)
    return { status: stateStatus[run.state], endMs: Math.floor(run.finishedAt / 1000) };
  if (run.state !== "running" || reported.status === null) return { status: stateStatus[run.state] };
  return { status: reported.status, ...(reported.endMs === null ? {} : { endMs: reported.endMs }) };
}

export interface PointsQuestion {
  readonly runId: string;
  readonly key: string;
  readonly pageToken?: string;
  readonly maxResults?: number;
}

/**
 * Points of one metric, each once, by (timestamp, step, value). A metric that was never logged has none.
 *
 * @throws PortolanError `tracking.invalid_value` for a page token that is none of ours, 404 as `findRun` does.
 */
export async function readMetricPage(
  deps: ReadDeps,
  call: CallContext,
  question: PointsQuestion,
): Promise<MetricPage> {
  const { runId, key, pageToken, maxResults } = question;
  await findRun(deps, call, runId);
  const most = Math.min(maxResults ?? mostPoints, mostPoints);
  const after = pageToken === undefined ? {} : { after: parsePageToken(pageToken) };
  const found = await deps.work.read(call, (sql) =>
    readPoints(sql, { runId, key }, { ...after, most: most + 1 }),
  );
  const page = found.slice(0, most);
  const last = page.at(-1);
  return {
    points: page.map(shown),
    ...(found.length > most && last ? { nextPageToken: pageTokenOf(last) } : {}),
  };
}

export interface IntervalQuestion {
  readonly runIds: readonly string[];
  readonly key: string;
  readonly steps?: { readonly first: number; readonly last: number };
  readonly maxResults?: number;
}

/** Different steps of one answer, as MLflow's server has it. */
const mostSteps = 2_500;

/** Points of one metric in several runs, thinned to the same steps. @throws PortolanError 404 as `findRun` does, for any of the runs */
export async function readMetricInterval(
  deps: ReadDeps,
  call: CallContext,
  { runIds, key, steps, maxResults = mostSteps }: IntervalQuestion,
): Promise<PointOfRun[]> {
  for (const runId of runIds) await findRun(deps, call, runId);
  const asked = { runIds, key, mostSteps: Math.min(maxResults, mostSteps), ...(steps ? { steps } : {}) };
  return deps.work.read(call, (sql) => readInterval(sql, asked));
}

/** NaN as JSON can say it. */
function shown({ value, timestampMs, step }: PointPosition) {
  return { value: Number.isNaN(value) ? ("NaN" as const) : value, timestampMs, step };
}

function pageTokenOf({ value, timestampMs, step }: PointPosition): string {
  return Buffer.from(`${timestampMs} ${step} ${value}`).toString("base64url");
}

const pageForm = /^(-?\d+) (-?\d+) (NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

function parsePageToken(text: string): PointPosition {
  const [, timestamp, step, value] = pageForm.exec(Buffer.from(text, "base64url").toString("utf8")) ?? [];
  const position = { timestampMs: Number(timestamp), step: Number(step), value: Number(value) };
  if (
    value !== undefined &&
    Number.isSafeInteger(position.timestampMs) &&
    Number.isSafeInteger(position.step)
  )
    return position;
  throw new PortolanError<TrackingErrorCode>("tracking.invalid_value", {
    detail: "the page token is none that this server gave",
    mend: "Ask without one for the first page.",
  });
}
