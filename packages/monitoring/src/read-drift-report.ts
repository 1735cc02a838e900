import { setImmediate as otherWork } from "node:timers/promises";
import { type CallContext, PortolanError, type Sql, Turns } from "@portolan/kernel";
import type { MonitoringErrorCode } from "./errors.ts";
import { SeriesJudge } from "./judgement/judge-series.ts";
import { driftPolicy } from "./judgement/policy.ts";
import { hourOf, type JudgedWindow, joinWindows } from "./judgement/windows.ts";
import { readProfile } from "./profile-object.ts";
import type { DriftReport, DriftReports } from "./report-schema.ts";
import { type DriftQuery, type ReadDriftDeps, visiblePlaces } from "./visible-places.ts";
import { newestWithin, type ReadingBounds, seriesKey } from "./window-series.ts";
import {
  type CountedPlace,
  type CountedSeries,
  listWindows,
  type StoredWindow,
  type WindowFilter,
  windowCounts,
} from "./window-store.ts";

/** Four days of one version of sixty columns, five minutes a window: what is read and judged within a second or two. */
const bounds: ReadingBounds = { windows: 2500, cells: 2_000_000 };
/** Without a start: so many hours up to the newest window. */
const defaultHours = 24;

/**
 * Judges what was counted at an endpoint against its references, by version and variant.
 *
 * @throws PortolanError `monitoring.nothing_counted` where the caller sees no counts of the endpoint within the stretch
 */
export async function readDriftReport(
  deps: ReadDriftDeps,
  call: CallContext,
  query: DriftQuery,
  most: ReadingBounds = bounds,
): Promise<DriftReports> {
  const { organisationId } = call.actor;
  const { from, ...until } = query;
  const filter = { ...until, organisationId, ...(from === undefined ? {} : { from: hourOf(from) }) };
  const places = await visiblePlaces(deps, call, filter);
  return reportTurns.take(async () => {
    const found = await deps.work.read(call, (sql) => readStretch(sql, filter, places, most));
    if (!found) throw nothingCounted(query);
    const reports: DriftReport[] = [];
    for (const { series, windows } of found.series)
      reports.push(await judgeSeries(deps, query.endpoint, series, windows));
    return { reports, truncated: found.truncated, coveredFrom: found.from };
  });
}

/** Reports that a process reads and judges at a time: each holds up to two million counts, and all share one thread. */
const reportTurns = new Turns(2);

interface ReadStretch {
  readonly series: readonly { readonly series: CountedSeries; readonly windows: readonly JudgedWindow[] }[];
  readonly truncated: boolean;
  readonly from: number;
}

async function readStretch(
  sql: Sql,
  filter: WindowFilter,
  places: readonly CountedPlace[],
  most: ReadingBounds,
): Promise<ReadStretch | undefined> {
  const [newest] = await listWindows(sql, filter, places, 1);
  if (!newest) return undefined;
  const from = filter.from ?? hourOf(newest.windowStart) - (defaultHours - 1) * driftPolicy.windowMicros;
  const listed = await listWindows(sql, { ...filter, from }, places, most.windows + 1);
  const found = newestWithin(listed, most);
  const windows = found.truncated ? wholeHours(found.windows) : found.windows;
  const start = windows.at(-1)?.windowStart ?? from;
  const groups = [...Map.groupBy(windows, seriesKey).values()];
  const series: { series: CountedSeries; windows: JudgedWindow[] }[] = [];
  for (const [one] of groups)
    if (one)
      series.push({
        series: one,
        windows: joinWindows(await windowCounts(sql, { ...filter, from: start }, one)),
      });
  return { series, truncated: found.truncated, from: start };
}

/** Without an hour that is cut in two, unless it is the only one: its windows would be joined in another way. */
function wholeHours(newestFirst: readonly StoredWindow[]): readonly StoredWindow[] {
  const cut = hourOf(newestFirst.at(-1)?.windowStart ?? 0);
  const whole = newestFirst.filter(({ windowStart }) => hourOf(windowStart) !== cut);
  return whole.length === 0 ? newestFirst : whole;
}

async function judgeSeries(
  { objects }: Pick<ReadDriftDeps, "objects">,
  endpoint: string,
  series: CountedSeries,
  windows: readonly JudgedWindow[],
): Promise<DriftReport> {
  const profile = await readProfile(objects, series.profile);
  const judge = new SeriesJudge(profile);
  for (const window of windows) {
    judge.add(window);
    // A window takes milliseconds, a report may have hundreds: other requests go in between.
    await otherWork();
  }
  const judgement = await inBetween(judge.steps());
  const { environment, variant, model, version } = series;
  return {
    environment,
    endpoint,
    variant,
    model,
    version,
    profile: series.profile,
    ...judgement,
  };
}

/** Other requests go between the steps. */
async function inBetween<Result>(steps: Generator<undefined, Result, undefined>): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await otherWork();
  }
}

function nothingCounted({ endpoint, from, to }: DriftQuery): PortolanError<MonitoringErrorCode> {
  const isStretch = from !== undefined || to !== undefined;
  return new PortolanError("monitoring.nothing_counted", {
    detail: `nothing is counted at ${endpoint}${isStretch ? " in this stretch of time" : ""}`,
    mend: isStretch
      ? "Ask without --from and --to for the newest day that was counted."
      : "Check the name (portolan endpoint list). Without a reference profile nothing is counted: portolan model profile NAME VERSION --reference ts_…, and its requests are counted from the next snapshot on.",
  });
}
