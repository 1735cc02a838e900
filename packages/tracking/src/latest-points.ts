import type { MetricPoint } from "./contract.ts";

/**
 * The latest point of each metric, by key: the greatest (step, timestamp, value), where NaN is greater than every number.
 * That is MLflow's rule for "latest", with PostgreSQL's order for NaN, so that a batch and the stored row agree.
 */
export function latestPoints(points: readonly MetricPoint[]): MetricPoint[] {
  const latest = new Map<string, MetricPoint>();
  for (const point of points) {
    const known = latest.get(point.key);
    if (known === undefined || comparePoints(point, known) > 0) latest.set(point.key, point);
  }
  // In one order, so that two batches lock rows in the same one.
  return [...latest.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function comparePoints(a: MetricPoint, b: MetricPoint): number {
  return a.step - b.step || a.timestampMs - b.timestampMs || compareValues(a.value, b.value);
}

function compareValues(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a - b;
}
