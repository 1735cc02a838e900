import { meanInterval, wilsonInterval } from "@portolan/numerics";
import { performancePolicy } from "./performance-policy.ts";
import type { PerformanceMetric } from "./performance-schema.ts";

/** A share with Wilson's interval; nothing where it is of too few cases. */
export function share(
  metric: string,
  cases: number,
  of: number,
  level: number,
): PerformanceMetric | undefined {
  if (of < performancePolicy.leastOfClass) return undefined;
  const { low, high } = wilsonInterval(cases, of, level);
  return { metric, value: cases / of, low, high, cases: of };
}

/** Mean of independent shares; its limits from theirs (MOVER: Zou and Donner 2008). */
export function balanced(shares: readonly PerformanceMetric[]): PerformanceMetric {
  const value = shares.reduce((sum, one) => sum + one.value, 0) / shares.length;
  const below = Math.hypot(...shares.map((one) => one.value - one.low)) / shares.length;
  const above = Math.hypot(...shares.map((one) => one.high - one.value)) / shares.length;
  const cases = shares.reduce((sum, one) => sum + one.cases, 0);
  return { metric: "balanced_accuracy", value, low: value - below, high: value + above, cases };
}

/** A mean with its normal-theory interval, within the bounds of what can be. */
export function meanMetric(
  metric: string,
  values: Float64Array,
  level: number,
  { least, most }: { readonly least: number; readonly most: number },
): PerformanceMetric {
  const { mean, low, high } = meanInterval(values, level);
  return { metric, value: mean, low: Math.max(least, low), high: Math.min(most, high), cases: values.length };
}

export function defined(metrics: readonly (PerformanceMetric | undefined)[]): PerformanceMetric[] {
  return metrics.filter((metric) => metric !== undefined);
}
