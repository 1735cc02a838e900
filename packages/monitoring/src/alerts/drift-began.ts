import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext } from "@portolan/kernel";
import { SeriesJudge } from "../judgement/judge-series.ts";
import { driftPolicy } from "../judgement/policy.ts";
import { hourOf, joinWindows } from "../judgement/windows.ts";
import { readProfile } from "../profile-object.ts";
import { type NewestSeries, windowCounts } from "../window-store.ts";
import type { DriftWatchDeps } from "./watch.ts";

/** What is found later than this is late whatever it was. */
const hours = 24;

/**
 * When the predictions of a series began to differ, without a window that did not since: the start of that window, at most a day before the newest one; undefined
 * where they do not drift. Reads more than a round does: it is asked once for each alert.
 */
export async function driftBegan(
  { work, objects }: Pick<DriftWatchDeps, "work" | "objects">,
  call: CallContext,
  series: NewestSeries,
): Promise<number | undefined> {
  const { organisationId, endpoint } = series;
  const from = hourOf(series.newest) - (hours - 1) * driftPolicy.windowMicros;
  const counts = await work.read(call, (sql) =>
    windowCounts(sql, { organisationId, endpoint, from }, series),
  );
  const judge = new SeriesJudge(await readProfile(objects, series.profile));
  for (const window of joinWindows(counts)) {
    judge.add(window);
    await otherWork();
  }
  return judge.summary().outputsSince;
}
