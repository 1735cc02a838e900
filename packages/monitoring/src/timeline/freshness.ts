import type { TimelineMove, TimelineSeries } from "./timeline-schema.ts";

/** A publication of a data product, by its times alone. Epoch microseconds. */
export interface PublishedData {
  readonly contract: string;
  readonly publishedAt: number;
  readonly newestEvent: number;
}

/** When data is late: by what the product itself did before. Why: docs/adr/0167. */
export const freshnessPolicy = {
  /** Publications from which is known how old its data becomes. */
  leastPeaks: 3,
  /** Times the oldest that it became before. */
  late: 2,
  /** Younger data is late for nobody, microseconds. */
  leastMicros: 300_000_000,
} as const;

interface Stretch {
  /** Epoch microseconds; the end is exclusive. */
  readonly from: number;
  readonly to: number;
}

/**
 * How old the newest event of a data product was over time, and when it became late: at least twice as old as it had ever been before. Exact at each moment,
 * since publications have their times. Pure.
 *
 * @param published of one product, the oldest first; those before the stretch say what is usual
 */
export function judgeFreshness(
  contract: string,
  published: readonly PublishedData[],
  stretch: Stretch,
  width: number,
): { readonly series: TimelineSeries; readonly move: TimelineMove | undefined } {
  const what = `age of ${contract}`;
  const move = findLateness(published, stretch);
  const points: TimelineSeries["points"] = [];
  for (let start = Math.floor(stretch.from / width) * width; start < stretch.to; start += width) {
    const end = Math.min(start + width, stretch.to);
    const newest = newestBefore(published, end);
    if (newest !== undefined) points.push({ start, cases: 1, value: seconds(end - newest) });
  }
  const series = { layer: "data", what, unit: "seconds", points, isChanged: move !== undefined } as const;
  return { series, move: move && { kind: "change", layer: "data", what, ...move } };
}

function findLateness(published: readonly PublishedData[], { from, to }: Stretch) {
  const { leastPeaks, late, leastMicros } = freshnessPolicy;
  let [usual, peaks, newest] = [0, 0, Number.NEGATIVE_INFINITY];
  for (const [index, one] of published.entries()) {
    newest = Math.max(newest, one.newestEvent);
    // Until the next one came, or the stretch ends: then it is the oldest.
    const until = published[index + 1]?.publishedAt ?? to;
    const peak = until - newest;
    const due = newest + usual;
    const isLate = peaks >= leastPeaks && peak >= late * usual && peak >= leastMicros;
    if (isLate && until > from && due < to)
      return {
        at: Math.max(due, one.publishedAt),
        earliest: one.publishedAt,
        latest: Math.max(newest + late * usual, one.publishedAt),
        before: seconds(usual),
        after: seconds(peak),
      };
    usual = Math.max(usual, peak);
    peaks++;
  }
  return undefined;
}

function newestBefore(published: readonly PublishedData[], at: number): number | undefined {
  const known = published.filter(({ publishedAt }) => publishedAt <= at);
  return known.length === 0 ? undefined : Math.max(...known.map(({ newestEvent }) => newestEvent));
}

function seconds(micros: number): number {
  return Math.max(0, Math.round(micros / 1e6));
}
