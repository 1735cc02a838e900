import { populationStability } from "@portolan/numerics";
import { bucketEdgeMicros } from "../objectives/indicator.ts";
import { type Bucket, type Change, findChange } from "./find-change.ts";
import type { TimelineLayer, TimelineMove, TimelineSeries } from "./timeline-schema.ts";

/** Counts over time of one thing. */
export interface CountedOverTime {
  readonly layer: TimelineLayer;
  readonly what: string;
  /** ms, percent, bytes: by bucket; share: good ones and bad ones; psi: cells of a column. */
  readonly unit: Exclude<TimelineSeries["unit"], "seconds">;
  /** Upper edges of the cells, of percent and bytes. */
  readonly edges?: readonly number[];
  /** The least effect that is a move; absent: the policy's. */
  readonly leastPsi?: number;
  readonly width: number;
  readonly buckets: readonly Bucket[];
}

/** A series as it is shown, and its change if it has one. Pure. */
export function judgeSeriesOverTime(counted: CountedOverTime): {
  readonly series: TimelineSeries;
  readonly move: TimelineMove | undefined;
} {
  const { layer, what, unit, width, buckets } = counted;
  const change = findChange(buckets, width, counted.leastPsi);
  const before = change ? buckets.filter(({ start }) => start < change.at) : buckets;
  const basis = sumOf(before);
  const points = buckets.flatMap(({ start, counts }) => {
    const cases = totalOf(counts);
    return cases === 0 ? [] : [{ start, cases, value: valueOf(counted, counts, basis) }];
  });
  return {
    series: { layer, what, unit, points, isChanged: change !== undefined },
    move: change && moveOf(counted, change, basis),
  };
}

function moveOf(
  counted: CountedOverTime,
  { at, earliest, latest, p, psi }: Change,
  basis: readonly number[],
): TimelineMove {
  const { layer, what, buckets } = counted;
  const after = sumOf(buckets.filter(({ start }) => start >= at));
  return {
    kind: "change",
    layer,
    what,
    at,
    earliest,
    latest,
    before: valueOf(counted, basis, basis),
    after: valueOf(counted, after, basis),
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

function valueOf(
  { unit, edges = [] }: Pick<CountedOverTime, "unit" | "edges">,
  counts: readonly number[],
  basis: readonly number[],
): number {
  switch (unit) {
    case "share":
      return (counts[1] ?? 0) / Math.max(1, totalOf(counts));
    case "ms":
      return mostOf(counts, bucketEdgeMicros) / 1000;
    case "percent":
    case "bytes":
      return mostOf(counts, edges);
    case "psi":
      return totalOf(counts) === 0 || totalOf(basis) === 0 ? 0 : populationStability(basis, counts).debiased;
  }
}

/** The edge that 95 % lie within; of those beyond all edges the last one. */
function mostOf(counts: readonly number[], edges: readonly number[]): number {
  const wanted = 0.95 * totalOf(counts);
  let passed = 0;
  const bucket = counts.findIndex((count) => {
    passed += count;
    return passed >= wanted;
  });
  return edges[bucket] ?? edges[edges.length - 1] ?? 0;
}
