import {
  bcaAtMost,
  bcaInterval,
  type ClassMetricName,
  type ClassSet,
  mcnemarGreater,
  notInferiorShare,
} from "@portolan/numerics";
import { type Tested, withHolm } from "../compare/compare-scores.ts";
import { comparisonBootstrap } from "../compare/comparison-bootstrap.ts";
import type { ComparedValue, ComparisonRule } from "../compare/contract.ts";
import { classMetricNames, isMeasuredOf, pairedAdvantage, requireClasses } from "./class-metrics.ts";

/** Metrics that weigh each class alike, so that the rarest class decides how much is known of them. */
const perClassMetrics: readonly string[] = ["balanced_accuracy", "macro_f1"];

/** Whether a rule asks for a metric of which rare classes are a large part. Pure. */
export function weighsClasses({ metrics }: Pick<ComparisonRule, "metrics">): boolean {
  return metrics.some((metric) => perClassMetrics.includes(metric));
}

/** Rows of the class that the fewest rows are of, among those that any is of. Pure. */
export function rarestClass(labels: Uint16Array): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Math.min(...counts.values());
}

/**
 * A classifier of several classes beside the champion, on the same rows in the same order (docs/spec/promotion-gates.md, G12): McNemar, or Tango with a
 * margin, for the share that is right; for all else a paired bootstrap. Pure: its seed is fixed.
 * @throws RangeError for other labels, another number of classes, rows of one class alone, or a metric that is not measured of both
 */
export function compareClasses(
  challenger: ClassSet,
  champion: ClassSet,
  { metrics, margins, level }: ComparisonRule,
): ComparedValue[] {
  const { labels, classCount } = challenger;
  if (labels.length !== champion.labels.length || labels.some((label, row) => label !== champion.labels[row]))
    throw new RangeError("a paired comparison needs the same rows in the same order");
  if (classCount !== champion.classCount)
    throw new RangeError(
      `the two models answer other classes: ${classCount} and ${champion.classCount} of them`,
    );
  requireClasses(challenger, undefined);
  const tested = metrics.map((metric): Tested => {
    const name = classMetricNames.find((one) => one === metric);
    if (name === undefined) throw new RangeError(`${metric} is not measured of several classes`);
    if (![challenger, champion].every((set) => isMeasuredOf(set, name)))
      throw new RangeError(`${name} is measured of probabilities alone, and a model's scores are none`);
    return testOf(challenger, champion, name, margins[metric]);
  });
  return withHolm(tested, level);
}

function testOf(
  challenger: ClassSet,
  champion: ClassSet,
  metric: ClassMetricName,
  margin: number | undefined,
): Tested {
  const { distribution, ours, theirs } = pairedAdvantage(challenger, champion, metric, comparisonBootstrap);
  return {
    metric,
    question: margin === undefined ? "better" : "not_worse",
    champion: theirs,
    challenger: ours,
    advantage: { value: distribution.estimate, interval: bcaInterval(distribution) },
    ...(margin === undefined ? {} : { margin }),
    ...(metric === "accuracy"
      ? rightTest(challenger, champion, margin)
      : { test: "bootstrap" as const, p: bcaAtMost(distribution, -(margin ?? 0)) }),
  };
}

/** Rows that one says right and the other does not. */
function rightTest(
  challenger: ClassSet,
  champion: ClassSet,
  margin: number | undefined,
): Pick<Tested, "test" | "p"> {
  const pairs = { gained: 0, lost: 0 };
  challenger.labels.forEach((label, row) => {
    const [ours, theirs] = [challenger.predicted[row] === label, champion.predicted[row] === label];
    if (ours && !theirs) pairs.gained++;
    if (theirs && !ours) pairs.lost++;
  });
  if (margin !== undefined)
    return { test: "tango", p: notInferiorShare(pairs, challenger.labels.length, margin).p };
  const { p, method } = mcnemarGreater(pairs);
  return { test: method === "exact" ? "mcnemar_exact" : "mcnemar", p };
}
