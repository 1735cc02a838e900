import { betterWhen, type ComparedMetric } from "@portolan/charter/contract";
import {
  averagePrecision,
  type BootstrapDistribution,
  bcaAtMost,
  bcaInterval,
  bootstrapAveragePrecision,
  bootstrapSums,
  compareAuc,
  type DiscordantPairs,
  holmAdjusted,
  mcnemarGreater,
  normalUpperTail,
  notInferiorShare,
  type ScoredSet,
} from "@portolan/numerics";
import {
  decisionThreshold,
  isSummedMetric,
  metricColumnCount,
  metricColumns,
  type SummedMetricName,
  summedMetrics,
  totalOf,
} from "../metric-sums.ts";
import { comparisonBootstrap } from "./comparison-bootstrap.ts";
import type { ComparedValue, ComparisonRule } from "./contract.ts";

/** What one metric says, before Holm. */
export type Tested = Omit<ComparedValue, "adjustedP" | "isShown">;

/**
 * A challenger beside the champion, on the same rows in the same order, in each metric of a rule (docs/spec/promotion-gates.md, G12). Pure: the bootstrap's
 * seed is fixed.
 *
 * @throws RangeError for other labels, fewer than two rows of a class, or scores that are not numbers
 */
export function compareScores(
  challenger: ScoredSet,
  champion: ScoredSet,
  { metrics, margins, level }: ComparisonRule,
): ComparedValue[] {
  requireComparable(challenger, champion);
  const summed = metrics.filter(isSummedMetric);
  const distributions = pairedBootstrap(challenger, champion, summed);
  const tested = metrics.map((metric): Tested => {
    const margin = margins[metric];
    const asked = { metric, question: margin === undefined ? "better" : "not_worse", margin } as const;
    if (metric === "roc_auc") return aucTest(challenger, champion, margin, asked);
    if (metric === "pr_auc") return precisionTest(challenger, champion, margin, asked);
    const distribution = distributions.get(metric);
    if (!distribution || !isSummedMetric(metric)) throw new RangeError(`${metric} is not measured`);
    return summedTest(challenger, champion, distribution, { ...asked, metric, margin });
  });
  return withHolm(tested, level);
}

/** What each metric says among as many. Pure. */
export function withHolm(tested: readonly Tested[], level: number): ComparedValue[] {
  const adjusted = holmAdjusted(tested.map(({ p }) => p));
  return tested.map((one, at) => {
    const adjustedP = adjusted[at] ?? 1;
    return { ...one, adjustedP, isShown: adjustedP <= level };
  });
}

/**
 * What is left of a comparison when the same two versions were compared on so many sets of rows: whoever chooses among rows finds some that please, so
 * each p counts for all of them (Bonferroni). Pure.
 */
export function correctedForSets(
  values: readonly ComparedValue[],
  sets: number,
  level: number,
): ComparedValue[] {
  return values.map((one) => {
    const adjustedP = Math.min(1, one.adjustedP * sets);
    return { ...one, adjustedP, isShown: adjustedP <= level };
  });
}

/** What each test takes for granted. A score that is no number would count as a decision, and an infinite one has no squared error. */
function requireComparable(challenger: ScoredSet, champion: ScoredSet): void {
  const { labels } = challenger;
  if (labels.length !== champion.labels.length || labels.some((label, row) => label !== champion.labels[row]))
    throw new RangeError("a paired comparison needs the same rows in the same order");
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives < 2 || labels.length - positives < 2)
    throw new RangeError("a comparison needs at least two rows of each class");
  const isNoNumber = (score: number) => !Number.isFinite(score);
  if (challenger.scores.some(isNoNumber) || champion.scores.some(isNoNumber))
    throw new RangeError("a score is not a finite number");
}

function aucTest(
  challenger: ScoredSet,
  champion: ScoredSet,
  margin: number | undefined,
  asked: Pick<Tested, "metric" | "question">,
): Tested {
  const { first, second, difference, standardError, interval } = compareAuc(challenger, champion);
  const beyond = difference + (margin ?? 0);
  // Models that rank alike differ by nothing, whatever the rows.
  const p = standardError > 0 ? normalUpperTail(beyond / standardError) : beyond > 0 ? 0 : 1;
  return {
    metric: asked.metric,
    question: asked.question,
    champion: second,
    challenger: first,
    advantage: { value: difference, interval },
    ...(margin === undefined ? {} : { margin }),
    test: "delong",
    p,
  };
}

/** Each resample draws rows with both models' scores on them. */
function precisionTest(
  challenger: ScoredSet,
  champion: ScoredSet,
  margin: number | undefined,
  asked: Pick<Tested, "metric" | "question">,
): Tested {
  const distribution = bootstrapAveragePrecision(challenger, comparisonBootstrap, champion);
  return {
    metric: asked.metric,
    question: asked.question,
    champion: averagePrecision(champion).value,
    challenger: averagePrecision(challenger).value,
    advantage: { value: distribution.estimate, interval: bcaInterval(distribution) },
    ...(margin === undefined ? {} : { margin }),
    test: "bootstrap",
    p: bcaAtMost(distribution, -(margin ?? 0)),
  };
}

interface SummedQuestion extends Pick<Tested, "question"> {
  readonly metric: SummedMetricName;
  readonly margin: number | undefined;
}

function summedTest(
  challenger: ScoredSet,
  champion: ScoredSet,
  { ours, theirs, distribution }: PairedDistribution,
  { metric, question, margin }: SummedQuestion,
): Tested {
  return {
    metric,
    question,
    champion: theirs,
    challenger: ours,
    advantage: { value: distribution.estimate, interval: bcaInterval(distribution) },
    ...(margin === undefined ? {} : { margin }),
    ...(metric === "accuracy" || metric === "recall"
      ? shareTest(challenger, champion, metric, margin)
      : { test: "bootstrap" as const, p: bcaAtMost(distribution, -(margin ?? 0)) }),
  };
}

/** Shares of the same cases: all rows, or the positive ones. */
function shareTest(
  challenger: ScoredSet,
  champion: ScoredSet,
  metric: "accuracy" | "recall",
  margin: number | undefined,
): Pick<Tested, "test" | "p"> {
  const isCase = (row: number) => metric === "accuracy" || challenger.labels[row] === 1;
  const pairs = discordantPairs(challenger, champion, isCase);
  if (margin !== undefined) return { test: "tango", p: notInferiorShare(pairs, pairs.of, margin).p };
  const { p, method } = mcnemarGreater(pairs);
  return { test: method === "exact" ? "mcnemar_exact" : "mcnemar", p };
}

function discordantPairs(
  challenger: ScoredSet,
  champion: ScoredSet,
  isCase: (row: number) => boolean,
): DiscordantPairs & { readonly of: number } {
  const counts = { gained: 0, lost: 0, of: 0 };
  challenger.labels.forEach((label, row) => {
    if (!isCase(row)) return;
    counts.of++;
    const isRight = ({ scores }: ScoredSet) => (scores[row] ?? 0) >= decisionThreshold === (label === 1);
    const [ours, theirs] = [isRight(challenger), isRight(champion)];
    if (ours && !theirs) counts.gained++;
    if (theirs && !ours) counts.lost++;
  });
  return counts;
}

interface PairedDistribution {
  readonly ours: number;
  readonly theirs: number;
  /** Of the challenger's advantage. */
  readonly distribution: BootstrapDistribution;
}

/** Each resample draws rows with both models' results on them. */
function pairedBootstrap(
  challenger: ScoredSet,
  champion: ScoredSet,
  metrics: readonly SummedMetricName[],
): ReadonlyMap<ComparedMetric, PairedDistribution> {
  if (metrics.length === 0) return new Map();
  const columns = [...metricColumns(challenger), ...metricColumns(champion)];
  const [ours, theirs] = [0, metricColumnCount] as const;
  const found = bootstrapSums(
    columns,
    metrics.map((metric) => {
      const sign = betterWhen(metric) === "higher" ? 1 : -1;
      const value = summedMetrics[metric];
      return (sums) => sign * (value(sums, ours) - value(sums, theirs));
    }),
    comparisonBootstrap,
  );
  const totals = columns.map(totalOf);
  return new Map(
    found.flatMap((distribution, at) => {
      const metric = metrics[at];
      if (metric === undefined) return [];
      const value = summedMetrics[metric];
      return [[metric, { ours: value(totals, ours), theirs: value(totals, theirs), distribution }] as const];
    }),
  );
}
