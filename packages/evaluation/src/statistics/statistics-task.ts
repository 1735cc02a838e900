import type { FairnessTerms, KpiTerms, SliceTerms } from "@portolan/charter/contract";
import { messageOf } from "@portolan/kernel";
import { binaryMetrics } from "../binary-metrics.ts";
import { multiclassMetrics } from "../classes/class-metrics.ts";
import { compareClasses } from "../classes/compare-classes.ts";
import { sliceClasses } from "../classes/slice-classes.ts";
import { compareScores } from "../compare/compare-scores.ts";
import type { ComparedValue, ComparisonRule } from "../compare/contract.ts";
import type { RowMetrics } from "../contract.ts";
import type { ScoredClasses, ScoredQuantities, ScoredRows } from "../ports.ts";
import { compareQuantities } from "../quantities/compare-quantities.ts";
import { isErrorMetric, quantityMetrics } from "../quantities/quantity-metrics.ts";
import { sliceQuantities } from "../quantities/slice-quantities.ts";
import { compareRankings } from "../rankings/compare-rankings.ts";
import { rankedQueries, rankingMetrics } from "../rankings/ranking-metrics.ts";
import { sliceRankings } from "../rankings/slice-rankings.ts";
import type { FairnessReport, SliceReport } from "../slices/contract.ts";
import { measureClassFairness, measureFairness } from "../slices/measure-fairness.ts";
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

/** What is to be said of a regression's answers. */
export interface MeasureQuantitiesTask
  extends Pick<MeasureTask, "baselineColumn" | "sliced" | "slices" | "attributes"> {
  readonly kind: "measure_quantities";
  readonly scored: ScoredQuantities;
  /** The charter's error, if it bounds one: by it the model is held against the baseline. */
  readonly metric: string;
}

/** What is to be said of a classifier of several classes. */
export interface MeasureClassesTask
  extends Pick<MeasureTask, "baselineColumn" | "sliced" | "slices" | "attributes"> {
  readonly kind: "measure_classes";
  readonly scored: ScoredClasses;
  /** The charter's metric: by it the model is held against the baseline. */
  readonly metric: string;
  /** Names of the classes, where the charter has some. */
  readonly names?: readonly string[];
  readonly fairness?: FairnessTerms;
}

/** What is to be said of rankings. */
export interface MeasureRankingsTask
  extends Pick<MeasureTask, "baselineColumn" | "sliced" | "slices" | "attributes"> {
  readonly kind: "measure_rankings";
  readonly scored: ScoredQuantities;
  /** The column that says which rows are one ranking. */
  readonly query: string;
}

/** What is to be said of two regressions' answers on the same rows. */
export interface CompareQuantitiesTask {
  readonly kind: "compare_quantities";
  readonly challenger: ScoredQuantities;
  readonly champion: ScoredQuantities;
  readonly rule: ComparisonRule;
}

/** What is to be said of two rankings of the same rows. */
export interface CompareRankingsTask {
  readonly kind: "compare_rankings";
  readonly challenger: ScoredQuantities;
  readonly champion: ScoredQuantities;
  /** The column that says which rows are one ranking, among the challenger's slices. */
  readonly query: string;
  readonly rule: ComparisonRule;
}

/** What is to be said of two classifiers of several classes on the same rows. */
export interface CompareClassesTask {
  readonly kind: "compare_classes";
  readonly challenger: ScoredClasses;
  readonly champion: ScoredClasses;
  readonly rule: ComparisonRule;
}

interface Attribute {
  readonly name: string;
  readonly expression: string;
}

export type AnyMeasureTask = MeasureTask | MeasureQuantitiesTask | MeasureClassesTask | MeasureRankingsTask;
export type AnyCompareTask = CompareTask | CompareQuantitiesTask | CompareClassesTask | CompareRankingsTask;
export type StatisticsTask = AnyMeasureTask | AnyCompareTask;

/** What two versions differ by. */
export interface Compared {
  readonly values: readonly ComparedValue[];
  /** Of rankings. */
  readonly queries?: number;
}

/** The result, or why statistics refuse the scores, or that something broke. */
export type StatisticsAnswer =
  | { readonly kind: "measured"; readonly metrics: RowMetrics }
  | ({ readonly kind: "compared" } & Compared)
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string };

/** Pure: same scores, same answer. */
export function answerTask(task: StatisticsTask): StatisticsAnswer {
  try {
    switch (task.kind) {
      case "measure":
        return { kind: "measured", metrics: measure(task) };
      case "measure_quantities":
        return { kind: "measured", metrics: measureQuantities(task) };
      case "measure_rankings":
        return { kind: "measured", metrics: measureRankings(task) };
      case "measure_classes":
        return { kind: "measured", metrics: measureClasses(task) };
      case "compare":
        return { kind: "compared", values: compareScores(task.challenger, task.champion, task.rule) };
      case "compare_quantities":
        return { kind: "compared", values: compareQuantities(task.challenger, task.champion, task.rule) };
      case "compare_classes":
        return { kind: "compared", values: compareClasses(task.challenger, task.champion, task.rule) };
      case "compare_rankings":
        return { kind: "compared", ...compareQueries(task) };
    }
  } catch (error) {
    return { kind: error instanceof RangeError ? "refused" : "failed", detail: messageOf(error) };
  }
}

function measureRankings(task: MeasureRankingsTask): RowMetrics {
  const { scored, query, sliced, slices = defaultSlicing, attributes } = task;
  const queries = queriesOf(scored, query);
  const metrics = rankingMetrics(scored, queries, baselineOf(task));
  if (sliced.length === 0) return metrics;
  const ranked = rankedQueries(queries.column, queries.queries);
  const whole = { set: scored, ranked, overall: metrics.values["ndcg_at_10"] ?? Number.NaN };
  const bySlice = sliceRankings(whole, sliced, scored.slices ?? [], slices);
  return { ...metrics, sliced: withExpressions(bySlice, attributes) };
}

function compareQueries({ challenger, champion, query, rule }: CompareRankingsTask): Compared {
  return compareRankings(challenger, champion, queriesOf(challenger, query), rule);
}

function queriesOf({ slices = [] }: ScoredQuantities, column: string) {
  return { column, queries: slices.find((one) => one.column === column) };
}

function measureClasses(task: MeasureClassesTask): RowMetrics {
  const { scored, sliced, slices = defaultSlicing, fairness, attributes, metric, names } = task;
  const values = scored.slices ?? [];
  const metrics = multiclassMetrics(scored, { names, metric }, baselineOf(task));
  const whole = { set: scored, overall: metrics.values };
  const bySlice = sliced.length === 0 ? undefined : sliceClasses(whole, sliced, values, slices);
  const byGroup = fairness && measureClassFairness(scored, names, values, fairness);
  return {
    ...metrics,
    ...(bySlice ? { sliced: withExpressions(bySlice, attributes) } : {}),
    ...(byGroup ? { fairness: withGroupExpressions(byGroup, attributes) } : {}),
  };
}

/** The naive scores, where the set names a column for them. */
function baselineOf({ scored, baselineColumn: column }: AnyMeasureTask) {
  return scored.baseline && column !== undefined ? { column, scores: scored.baseline } : undefined;
}

function measureQuantities(task: MeasureQuantitiesTask): RowMetrics {
  const { scored, sliced, slices = defaultSlicing, attributes, metric } = task;
  const metrics = quantityMetrics(scored, isErrorMetric(metric) ? metric : "rmse", baselineOf(task));
  if (sliced.length === 0) return metrics;
  const whole = { set: scored, overall: metrics.values };
  const bySlice = sliceQuantities(whole, sliced, scored.slices ?? [], slices);
  return { ...metrics, sliced: withExpressions(bySlice, attributes) };
}

function measure(task: MeasureTask): RowMetrics {
  const { scored, sliced, slices = defaultSlicing, fairness, kpis, attributes } = task;
  const values = scored.slices ?? [];
  const metrics = binaryMetrics(scored, baselineOf(task));
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
