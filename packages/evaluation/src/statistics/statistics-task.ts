import type { FairnessTerms, KpiTerms, SliceTerms } from "@portolan/charter/contract";
import { messageOf } from "@portolan/kernel";
import { binaryMetrics } from "../binary-metrics.ts";
import { compareScores } from "../compare/compare-scores.ts";
import type { ComparedValue, ComparisonRule } from "../compare/contract.ts";
import type { BinaryMetrics } from "../contract.ts";
import type { ScoredRows } from "../ports.ts";
import type { FairnessReport, SliceReport } from "../slices/contract.ts";
import { measureFairness } from "../slices/measure-fairness.ts";
import { defaultSlicing, measureSlices } from "../slices/measure-slices.ts";
import { measureKpis } from "../worth/measure-kpis.ts";

/** What is to be said of a version's scores. */
export interface MeasureTask {
  readonly kind: "measure";
  readonly scored: ScoredRows;
  /** Where the set names one. */
  readonly baselineColumn?: string;
  /** Columns to slice by. */
  readonly sliced: readonly string[];
  readonly slices?: Pick<SliceTerms, "bins" | "support">;
  readonly fairness?: Pick<FairnessTerms, "columns" | "intersections" | "support">;
  readonly kpis?: readonly KpiTerms[];
  /** Columns of the set beside the features, and what its author made them of. */
  readonly attributes: readonly Attribute[];
}

/** What is to be said of two versions' scores on the same rows. */
export interface CompareTask {
  readonly kind: "compare";
  readonly challenger: ScoredRows;
  readonly champion: ScoredRows;
  readonly rule: ComparisonRule;
}

interface Attribute {
  readonly name: string;
  readonly expression: string;
}

export type StatisticsTask = MeasureTask | CompareTask;

/** The result, or why statistics refuse the scores, or that something broke. */
export type StatisticsAnswer =
  | { readonly kind: "measured"; readonly metrics: BinaryMetrics }
  | { readonly kind: "compared"; readonly values: readonly ComparedValue[] }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string };

/** Pure: same scores, same answer. */
export function answerTask(task: StatisticsTask): StatisticsAnswer {
  try {
    if (task.kind === "measure") return { kind: "measured", metrics: measure(task) };
    return { kind: "compared", values: compareScores(task.challenger, task.champion, task.rule) };
  } catch (error) {
    return { kind: error instanceof RangeError ? "refused" : "failed", detail: messageOf(error) };
  }
}

function measure(task: MeasureTask): BinaryMetrics {
  const {
    scored,
    baselineColumn: column,
    sliced,
    slices = defaultSlicing,
    fairness,
    kpis,
    attributes,
  } = task;
  const baseline = scored.baseline && column !== undefined ? { column, scores: scored.baseline } : undefined;
  const values = scored.slices ?? [];
  const metrics = binaryMetrics(scored, baseline);
  const whole = { set: scored, overall: metrics.values };
  const bySlice = sliced.length === 0 ? undefined : measureSlices(whole, sliced, values, slices);
  const byGroup = fairness && measureFairness(scored, values, fairness);
  return {
    ...metrics,
    ...(bySlice ? { sliced: withExpressions(bySlice, attributes) } : {}),
    ...(byGroup ? { fairness: withGroupExpressions(byGroup, attributes) } : {}),
    ...(kpis ? { kpis: measureKpis(scored, values, kpis) } : {}),
  };
}

/** What an attribute is called says nothing of what it is: its expression goes with what was measured. */
function withExpressions(report: SliceReport, attributes: readonly Attribute[]): SliceReport {
  const columns = report.columns.map((one) => {
    const found = attributes.find(({ name }) => name === one.column);
    return found ? { ...one, expression: found.expression } : one;
  });
  return { ...report, columns };
}

function withGroupExpressions(report: FairnessReport, known: readonly Attribute[]): FairnessReport {
  const attributes = report.attributes.map((one) => {
    const found = known.filter(({ name }) => one.columns.includes(name));
    if (found.length === 0) return one;
    const expressions = Object.fromEntries(found.map(({ name, expression }) => [name, expression]));
    return { ...one, expressions };
  });
  return { ...report, attributes };
}
