import { populationStability } from "@portolan/numerics";
import { bucketEdgeMicros } from "../objectives/indicator.ts";
import { type Bucket, type Change, findChange } from "./find-change.ts";
import type { TimelineLayer, TimelineMove, TimelineSeries } from "./timeline-schema.ts";

/** Counts over time of one thing. */
export interface CountedOverTime {
  readonly layer: TimelineLayer;
  readonly what: string;
  /** ms: by bucket of durations; share: good ones and bad ones; psi: cells of a column. */
  readonly unit: TimelineSeries["unit"];
  readonly width: number;
  readonly buckets: readonly Bucket[];
}

/** A series as it is shown, and its change if it has one. Pure. */
export function judgeSeriesOverTime(counted: CountedOverTime): {
  readonly series: TimelineSeries;
  readonly move: TimelineMove | undefined;
} {
  const { layer, what, unit, width, buckets } = counted;
  const change = findChange(buckets, width);
  const before = change ? buckets.filter(({ start }) => start < change.at) : buckets;
  const basis = sumOf(before);
  const points = buckets.flatMap(({ start, counts }) => {
    const cases = totalOf(counts);
    return cases === 0 ? [] : [{ start, cases, value: valueOf(unit, counts, basis) }];
  });
  return {
    series: { layer, what, unit, points, isChanged: change !== undefined },
    move: change && moveOf(counted, change, basis),
  };
}

function moveOf(
  { layer, what, unit, buckets }: CountedOverTime,
  { at, earliest, latest, p, psi }: Change,
  basis: readonly number[],
): TimelineMove {
  const after = sumOf(buckets.filter(({ start }) => start >= at));
  return {
    kind: "change",
    layer,
    what,
    at,
    earliest,
    latest,
    before: valueOf(unit, basis, basis),
    after: valueOf(unit, after, basis),
    p,
    psi,
  };
}

/** Minutes as wider buckets. */
export function widened(buckets: readonly Bucket[], width: number): Bucket[] {
  const grouped = Map.groupBy(buckets, ({ start }) => Math.floor(start / width) * width);
  return [...grouped]
    .map(([start, own]) => ({ start, counts: sumOf(own) }))
    .sort((a, b) => a.start - b.start);
}

function sumOf(buckets: readonly Bucket[]): number[] {
  const cells = buckets[0]?.counts.length ?? 0;
  return Array.from({ length: cells }, (_, cell) =>
    buckets.reduce((sum, { counts }) => sum + (counts[cell] ?? 0), 0),
  );
}

function totalOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function valueOf(unit: TimelineSeries["unit"], counts: readonly number[], basis: readonly number[]): number {
  switch (unit) {
    case "share":
      return (counts[1] ?? 0) / Math.max(1, totalOf(counts));
    case "ms":
      return slowestOf(counts) / 1000;
    case "psi":
      return totalOf(counts) === 0 || totalOf(basis) === 0 ? 0 : populationStability(basis, counts).debiased;
  }
}

/** The edge that 95 % lie within, microseconds; of those beyond all edges the last one. */
function slowestOf(counts: readonly number[]): number {
  const wanted = 0.95 * totalOf(counts);
  let passed = 0;
  const bucket = counts.findIndex((count) => {
    passed += count;
    return passed >= wanted;
  });
  return bucketEdgeMicros[bucket] ?? bucketEdgeMicros[bucketEdgeMicros.length - 1] ?? 0;
}
