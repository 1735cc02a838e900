import { dailyQuantities, dayMicros } from "../usage/daily-usage.ts";
import { amountText } from "../usage/resources.ts";
import { anomalyPolicy, judgeWeek, median } from "./judge-week.ts";

export const weekDays = 7;
export const anomalyDays = (anomalyPolicy.mostWeeks + 1) * weekDays;

/** What a team used of a resource, in stretches of time. */
export interface TeamUsage {
  readonly businessUnit: string;
  readonly team: string;
  readonly resource: string;
  readonly quantity: bigint;
  readonly start: number;
  readonly end: number;
}

export interface Anomaly {
  readonly businessUnit: string;
  readonly team: string;
  readonly resource: string;
  readonly current: bigint;
  readonly usual: bigint;
  /** Growth; null where there was nothing before. */
  readonly percent: bigint | null;
  /** For people: `research/lab: gpu_hours +300 % this week`. */
  readonly summary: string;
}

/**
 * Teams whose last seven whole days of UTC are out of the ordinary, the largest growth first. Pure.
 *
 * @param until midnight of UTC: the end of the last whole day
 */
export function findAnomalies(usage: readonly TeamUsage[], until: number): Anomaly[] {
  const from = until - anomalyDays * dayMicros;
  const teams = Map.groupBy(usage, ({ businessUnit, team, resource }) =>
    JSON.stringify([resource, businessUnit, team]),
  );
  const weekly = [...teams]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, own]) => {
      const [first] = own;
      return first ? [{ first, weeks: weeksOf(dailyQuantities(own, from, anomalyDays)) }] : [];
    });
  const found = weekly.flatMap(({ first: { businessUnit, team, resource }, weeks }) => {
    const current = weeks.at(-1) ?? 0n;
    const used = weeks.slice(0, -1);
    const begun = used.findIndex((week) => week > 0n);
    const everybody = usualOfAll(
      weekly.filter(({ first }) => first.resource === resource).map((one) => one.weeks),
    );
    const verdict = judgeWeek({ current, before: begun < 0 ? [] : used.slice(begun), everybody });
    if (verdict.kind !== "unusual") return [];
    const { usual, percent } = verdict;
    const who = [businessUnit, team].filter(Boolean).join("/") || "(unknown)";
    const amounts = `${amountText(current, resource)}, ${usual === 0n ? "nothing" : amountText(usual, resource)} in a usual week`;
    const summary = `${who}: ${resource} ${percent === null ? "are new" : `+${percent} %`} this week (${amounts})`;
    return [{ businessUnit, team, resource, current, usual, percent, summary }];
  });
  return found.toSorted((a, b) => Number((b.percent ?? -1n) - (a.percent ?? -1n)));
}

function weeksOf(daily: readonly bigint[]): bigint[] {
  return Array.from({ length: daily.length / weekDays }, (_, week) =>
    daily.slice(week * weekDays, (week + 1) * weekDays).reduce((sum, day) => sum + day, 0n),
  );
}

/** Of the weeks before this one in which anybody used it. */
function usualOfAll(teams: readonly (readonly bigint[])[]): bigint {
  const weeks = Array.from({ length: anomalyPolicy.mostWeeks }, (_, week) =>
    teams.reduce((sum, own) => sum + (own[week] ?? 0n), 0n),
  ).filter((week) => week > 0n);
  return weeks.length === 0 ? 0n : median(weeks);
}
