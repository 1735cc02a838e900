import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext, ObjectStore, UnitOfWork } from "@portolan/kernel";
import { SeriesJudge, type SeriesSummary } from "./judgement/judge-series.ts";
import { driftPolicy } from "./judgement/policy.ts";
import { hourOf, joinWindows } from "./judgement/windows.ts";
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
  /** False where a series is missing because its profile could not be read. */
  readonly isComplete: boolean;
}

/**
 * The latest verdicts of every endpoint that was counted since then, at most `most` variants of endpoints, over all organisations: for
 * operators' metrics, not for callers.
 *
 * @param call of the process itself: no organisation is asked for its leave
 * @param since epoch microseconds
 */
export async function driftFigures(
  { work, objects }: { readonly work: UnitOfWork; readonly objects: ObjectStore },
  call: CallContext,
  { since, most }: { readonly since: number; readonly most: number },
): Promise<DriftFigures> {
  const found = await work.read(call, (sql) => newestSeries(sql, since, most));
  const figures: SeriesFigures[] = [];
  for (const series of found) {
    // One profile that is damaged must not hide the verdicts of all others.
    const profile = await readProfile(objects, series.profile).catch(() => undefined);
    if (!profile) continue;
    const from = hourOf(series.newest) - (hours - 1) * driftPolicy.windowMicros;
    const { organisationId, endpoint } = series;
    const counts = await work.read(call, (sql) =>
      windowCounts(sql, { organisationId, endpoint, from }, series),
    );
    const judge = new SeriesJudge(profile);
    for (const window of joinWindows(counts).slice(-mostWindows)) judge.add(window);
    figures.push({ series, ...judge.summary() });
    await otherWork();
  }
  return { figures, isComplete: figures.length === found.length };
}
