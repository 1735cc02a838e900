import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext, ObjectStore, UnitOfWork } from "@portolan/kernel";
import { SeriesJudge, type SeriesSummary } from "./judgement/judge-series.ts";
import { driftPolicy } from "./judgement/policy.ts";
import { type CountedWindow, hourOf, joinWindows } from "./judgement/windows.ts";
import { readProfile } from "./profile-object.ts";
import { type NewestSeries, newestSeries, windowCounts } from "./window-store.ts";

/** Hours up to the newest window that are looked at: two windows in a row of whoever is asked at least two hundred times an hour. */
const hours = 3;
/** Judged windows of an endpoint that is asked more often. */
const mostWindows = 12;

/** The latest verdicts of one variant of an endpoint. */
export interface SeriesFigures extends SeriesSummary {
  readonly series: NewestSeries;
}

export interface DriftFigures {
  readonly figures: readonly SeriesFigures[];
  /** Series that are missing because their profile could not be read, or their counts not judged against it. */
  readonly failed: number;
  /** Whether there are more series than were asked for, of which nothing is said here. */
  readonly isCut: boolean;
}

/**
 * The latest verdicts of every endpoint that was counted since then, at most `most` variants of endpoints, the newest first, over all
 * organisations: for operators' metrics, not for callers.
 *
 * @param call of the process itself: no organisation is asked for its leave
 * @param since epoch microseconds
 */
export async function driftFigures(
  { work, objects }: { readonly work: UnitOfWork; readonly objects: ObjectStore },
  call: CallContext,
  { since, most }: { readonly since: number; readonly most: number },
): Promise<DriftFigures> {
  const found = await work.read(call, (sql) => newestSeries(sql, since, most + 1));
  const shown = found.slice(0, most);
  const figures: SeriesFigures[] = [];
  for (const series of shown) {
    const from = hourOf(series.newest) - (hours - 1) * driftPolicy.windowMicros;
    const { organisationId, endpoint } = series;
    const counts = await work.read(call, (sql) =>
      windowCounts(sql, { organisationId, endpoint, from }, series),
    );
    // One series that is damaged must not hide the verdicts of all others.
    const summary = await summaryOf(objects, series, counts).catch(() => undefined);
    if (summary) figures.push({ series, ...summary });
    await otherWork();
  }
  return { figures, failed: shown.length - figures.length, isCut: found.length > most };
}

async function summaryOf(
  objects: ObjectStore,
  { profile }: NewestSeries,
  counts: readonly CountedWindow[],
): Promise<SeriesSummary> {
  const judge = new SeriesJudge(await readProfile(objects, profile));
  for (const window of joinWindows(counts).slice(-mostWindows)) judge.add(window);
  return judge.summary();
}
