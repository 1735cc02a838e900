import { quantile } from "@portolan/numerics";
import type { LabelledCase, Segment } from "./judge-performance.ts";
import { performancePolicy } from "./performance-policy.ts";

const unknown = "(not known)";
const others = "(others)";

/**
 * Cases by the value of a column. Of a column with more numbers than there may be segments the quarters of its cases, of one with more words
 * the most frequent ones and all others together; last those whose value is not known.
 */
export function segmentsOf(
  cases: readonly LabelledCase[],
  values: ReadonlyMap<string, string | number | boolean>,
): Segment[] {
  const known = cases.filter(({ predictionId }) => values.has(predictionId));
  const nameOf = namesOf(known.map(({ predictionId }) => values.get(predictionId) ?? ""));
  const grouped = Map.groupBy(cases, ({ predictionId }) => {
    const value = values.get(predictionId);
    return value === undefined ? unknown : nameOf(value);
  });
  const rank = (name: string): number => (name === unknown ? 2 : name === others ? 1 : 0);
  return [...grouped]
    .map(([segment, own]) => ({ segment, cases: own }))
    .sort(
      (a, b) =>
        rank(a.segment) - rank(b.segment) ||
        b.cases.length - a.cases.length ||
        (a.segment < b.segment ? -1 : 1),
    );
}

type Value = string | number | boolean;

function namesOf(values: readonly Value[]): (value: Value) => string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  if (counts.size <= performancePolicy.mostSegments) return String;
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length === values.length) return quarters(numbers);
  const frequent = [...counts]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .slice(0, performancePolicy.mostSegments - 1);
  const names = new Set(frequent.map(([name]) => name));
  return (value) => (names.has(String(value)) ? String(value) : others);
}

function quarters(numbers: readonly number[]): (value: Value) => string {
  const sorted = Float64Array.from(numbers).sort();
  const edges = [...new Set([0.25, 0.5, 0.75].map((p) => quantile(sorted, p)))];
  const shown = edges.map((edge) => String(Number(edge.toPrecision(6))));
  return (value) => {
    const at = edges.findIndex((edge) => Number(value) <= edge);
    if (at < 0) return `above ${shown.at(-1) ?? ""}`;
    return at === 0 ? `up to ${shown[0] ?? ""}` : `above ${shown[at - 1] ?? ""}, up to ${shown[at] ?? ""}`;
  };
}
