import { burnRates } from "./burn-rates.ts";
import { addRequests, noRequests, type RequestCounts } from "./count-requests.ts";
import { restOfOne, timesDecimal } from "./decimal.ts";
import { bucketEdgeMicros, edgesWithin } from "./indicator.ts";
import type { Objective } from "./objective.ts";

/** Windows of burn rates, the shortest first, in microseconds. */
export const burnWindows = [
  ["5m", 300_000_000],
  ["30m", 1_800_000_000],
  ["1h", 3_600_000_000],
  ["2h", 7_200_000_000],
  ["6h", 21_600_000_000],
  ["1d", 86_400_000_000],
  ["3d", 259_200_000_000],
] as const;
export type BurnWindow = (typeof burnWindows)[number][0];

/** Requests in each window. */
export type WindowCounts = ReadonlyMap<BurnWindow, RequestCounts>;

/** From what lies in each window and in none that is shorter. Pure. */
export function windowsOf(parts: ReadonlyMap<BurnWindow, RequestCounts>): WindowCounts {
  const windows = new Map<BurnWindow, RequestCounts>();
  let sum = noRequests;
  for (const [name] of burnWindows) {
    sum = addRequests(sum, parts.get(name) ?? noRequests);
    windows.set(name, sum);
  }
  return windows;
}

/**
 * Share of bad requests, as the exported rules compute it; undefined where there is none to judge, and for what control does not count. Pure.
 */
export function badShare({ name, latencyMicros = 0 }: Objective, counts: RequestCounts): number | undefined {
  const { requests, unavailable, answers, fallbacks, tookWithin } = counts;
  switch (name) {
    case "availability":
      return requests === 0 ? undefined : unavailable / requests;
    case "latency":
      return requests === 0 ? undefined : 1 - withinBound(tookWithin, latencyMicros) / requests;
    case "model-answers":
      return answers === 0 ? undefined : fallbacks / answers;
    case "freshness":
      return undefined;
  }
}

/** Of which requests an objective's share is. */
function judgedOf({ name }: Objective, { requests, answers }: RequestCounts): number {
  return name === "model-answers" ? answers : requests;
}

function withinBound(tookWithin: readonly number[], boundMicros: number): number {
  const { terms, divisor } = edgesWithin(boundMicros);
  const upTo = (edge: number): number =>
    tookWithin.reduce((sum, count, at) => sum + ((bucketEdgeMicros[at] ?? Infinity) <= edge ? count : 0), 0);
  return terms.reduce((sum, { edge, weight }) => sum + weight * upTo(edge), 0) / divisor;
}

export type BurnSeverity = (typeof burnRates)[number]["severity"];

/** How one pair of windows stands. */
export interface Burn {
  readonly severity: BurnSeverity;
  /** So many times too fast is what fires. */
  readonly rate: string;
  readonly long: BurnWindow;
  readonly short: BurnWindow;
  /** How many times too fast; undefined where there were no requests. */
  readonly longRate: number | undefined;
  readonly shortRate: number | undefined;
  readonly isFiring: boolean;
}

/** Bad requests in the long window below which nothing fires: of five requests one that fails is no outage. The exported rules have no such floor. */
export const leastBad = 10;

/** Each burn rate of an objective: it fires where both windows are above it, by the exact thresholds of the exported rules. Pure. */
export function burnsOf(objective: Objective, counts: WindowCounts): Burn[] {
  const budget = restOfOne(objective.target);
  return burnRates.map(({ severity, rate, long, short }) => {
    const threshold = Number(timesDecimal(rate, budget));
    const [longShare, shortShare] = [long, short].map((name) =>
      badShare(objective, counts.get(name) ?? noRequests),
    );
    const times = (share: number | undefined) => (share === undefined ? undefined : share / Number(budget));
    const bad = (longShare ?? 0) * judgedOf(objective, counts.get(long) ?? noRequests);
    const isAbove = (share: number | undefined): boolean => share !== undefined && share > threshold;
    return {
      severity,
      rate,
      long,
      short,
      longRate: times(longShare),
      shortRate: times(shortShare),
      // A share times what it is of gives back a whole number, but for rounding.
      isFiring: isAbove(longShare) && isAbove(shortShare) && bad > leastBad - 0.001,
    };
  });
}
