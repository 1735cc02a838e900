import {
  aucInterval,
  averagePrecision,
  averagePrecisionInterval,
  meanInterval,
  ratioInterval,
  rocAuc,
  type ScoredSet,
  thresholdCounts,
} from "@portolan/numerics";
import type { Case } from "./case-values.ts";
import { balanced, defined, meanMetric, share } from "./figures.ts";
import { measureClasses } from "./measure-classes.ts";
import { performancePolicy } from "./performance-policy.ts";
import type { PerformanceBound, PerformanceMetric } from "./performance-schema.ts";

/** What predictions and labels are of: yes and no, several classes, quantities, rankings, or answers that somebody judged. */
export type Task = "binary" | "classes" | "regression" | "ranking" | "judged";

const tasks: Readonly<Record<string, Task>> = {
  roc_auc: "binary",
  pr_auc: "binary",
  accuracy: "binary",
  balanced_accuracy: "binary",
  precision: "binary",
  recall: "binary",
  f1: "binary",
  macro_f1: "classes",
  brier_score: "binary",
  log_loss: "binary",
  rmse: "regression",
  mae: "regression",
  r2: "regression",
  ndcg_at_10: "ranking",
  pass_rate: "judged",
};

/** Whether outcomes tell a charter's metric. */
export function measuredFromOutcomes(metric: string): boolean {
  return metric in tasks;
}

/** By what a charter bounds; without a charter, or with a metric that outcomes do not tell, by the values. */
export function taskOf(
  bound: Pick<PerformanceBound, "metric" | "several"> | undefined,
  cases: readonly Case[],
): Task {
  if (bound?.several) return "classes";
  const metric = bound?.metric;
  const known = metric === undefined ? undefined : tasks[metric];
  if (known) return known;
  if (cases.some(({ gain }) => gain !== undefined)) return "ranking";
  const isYesOrNo = cases.every(({ happened }) => happened === undefined || happened === 0 || happened === 1);
  if (!isYesOrNo) return "regression";
  return cases.some(({ said }) => said !== undefined) ? "binary" : "judged";
}

/** Whether a case can be counted in figures of its task. */
export function isReadable(task: Task, { said, happened, gain }: Case): boolean {
  const isYesOrNo = happened === 0 || happened === 1;
  switch (task) {
    case "judged":
      return isYesOrNo;
    case "ranking":
      return gain !== undefined;
    case "regression":
    case "classes":
      return said !== undefined && happened !== undefined;
    case "binary":
      return isYesOrNo && said !== undefined && said >= 0 && said <= 1;
  }
}

/**
 * Every figure that these cases are enough for, in a fixed order. Pure; the order of the cases changes no more than the last bits.
 *
 * @param cases readable ones of the task
 * @param level coverage of the intervals
 */
export function measureCases(task: Task, cases: readonly Case[], level: number): PerformanceMetric[] {
  if (cases.length < performancePolicy.leastLabels) return [];
  const said = Float64Array.from(cases, (one) => one.said ?? 0);
  const happened = Float64Array.from(cases, (one) => one.happened ?? 0);
  switch (task) {
    case "judged":
      return defined([
        share(
          "pass_rate",
          happened.reduce((sum, one) => sum + one, 0),
          happened.length,
          level,
        ),
      ]);
    case "regression":
      return regression(said, happened, level);
    case "classes":
      return measureClasses(cases, level);
    case "ranking":
      return [meanGain(cases, level)];
    case "binary":
      return binary({ scores: said, labels: Uint8Array.from(happened) }, level);
  }
}

/** Lists are the cases: rows of one are no independent evidence. */
function meanGain(cases: readonly Case[], level: number): PerformanceMetric {
  const gains = Float64Array.from(cases, ({ gain = 0 }) => gain);
  return meanMetric("ndcg_at_10", gains, level, { least: 0, most: 1 });
}

function binary(set: ScoredSet, level: number): PerformanceMetric[] {
  const counts = thresholdCounts(set, performancePolicy.threshold);
  const { truePositives, falsePositives, trueNegatives, falseNegatives } = counts;
  const positives = truePositives + falseNegatives;
  const negatives = trueNegatives + falsePositives;
  const recall = share("recall", truePositives, positives, level);
  const specificity = share("specificity", trueNegatives, negatives, level);
  const losses = set.scores.map((score, at) => logLossOf(score, set.labels[at] === 1));
  const squares = set.scores.map((score, at) => (score - (set.labels[at] ?? 0)) ** 2);
  const ranks = Math.min(positives, negatives) < performancePolicy.leastOfClass ? [] : rankings(set, level);
  return defined([
    ...ranks,
    share("accuracy", truePositives + trueNegatives, set.scores.length, level),
    recall && specificity ? balanced([recall, specificity]) : undefined,
    share("precision", truePositives, truePositives + falsePositives, level),
    recall,
    f1(counts, level),
    meanMetric("brier_score", squares, level, { least: 0, most: 1 }),
    meanMetric("log_loss", losses, level, { least: 0, most: Number.MAX_VALUE }),
  ]);
}

function rankings(set: ScoredSet, level: number): PerformanceMetric[] {
  const cases = set.scores.length;
  const estimate = rocAuc(set);
  const auc = aucInterval(estimate, level);
  const precision = averagePrecision(set);
  const odds = averagePrecisionInterval(precision, level);
  return [
    { metric: "roc_auc", value: estimate.auc, low: auc.low, high: auc.high, cases },
    { metric: "pr_auc", value: precision.value, low: odds.low, high: odds.high, cases },
  ];
}

/** Probabilities are kept 2^-52 away from 0 and 1, as `logLoss` does. */
function logLossOf(score: number, isPositive: boolean): number {
  const p = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, score));
  return -(isPositive ? Math.log(p) : Math.log1p(-p));
}

/** F1 is 2s/(1+s) of the share s of true ones among all that were called or are positive: Wilson's limits of s are carried over. */
function f1(counts: ReturnType<typeof thresholdCounts>, level: number): PerformanceMetric | undefined {
  const { truePositives, falsePositives, falseNegatives } = counts;
  const found = share("f1", truePositives, truePositives + falsePositives + falseNegatives, level);
  if (!found) return undefined;
  const [value = 0, low = 0, high = 0] = [found.value, found.low, found.high].map((s) => (2 * s) / (1 + s));
  return { ...found, value, low, high };
}

function regression(said: Float64Array, happened: Float64Array, level: number): PerformanceMetric[] {
  const errors = said.map((value, at) => value - (happened[at] ?? 0));
  const squares = errors.map((error) => error ** 2);
  const bounds = { least: 0, most: Number.MAX_VALUE };
  const mean = meanMetric("rmse", squares, level, bounds);
  const root = {
    ...mean,
    value: Math.sqrt(mean.value),
    low: Math.sqrt(mean.low),
    high: Math.sqrt(mean.high),
  };
  return defined([
    root,
    meanMetric("mae", errors.map(Math.abs), level, bounds),
    explained(squares, happened, level),
  ]);
}

/** R²; nothing where what happened never differed. */
function explained(
  squares: Float64Array,
  happened: Float64Array,
  level: number,
): PerformanceMetric | undefined {
  const { mean } = meanInterval(happened);
  const spread = happened.map((value) => (value - mean) ** 2);
  if (spread.every((value) => value === 0)) return undefined;
  const ratio = ratioInterval(squares, spread, level);
  return {
    metric: "r2",
    value: 1 - ratio.mean,
    low: 1 - ratio.high,
    high: Math.min(1, 1 - ratio.low),
    cases: squares.length,
  };
}
