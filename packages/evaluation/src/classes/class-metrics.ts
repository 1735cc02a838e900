import {
  addClassRow,
  type BootstrapDistribution,
  type BootstrapOptions,
  bcaInterval,
  bootstrapSparseSums,
  bootstrapSums,
  type ClassMetricName,
  type ClassSet,
  classMetrics,
  classSumCount,
  classSums,
  logLossOf,
  wilsonInterval,
} from "@portolan/numerics";
import { bootstrapOptions } from "../binary-metrics.ts";
import type { MetricInterval, RowMetrics } from "../contract.ts";
import type { ScoredClasses } from "../ports.ts";
import { classCalibrationOf } from "./class-calibration.ts";

/** Metrics of several classes, by the charter's names. */
export const classMetricNames = Object.keys(classMetrics) as readonly string[] as readonly ClassMetricName[];

/** More classes have more sums than a bootstrap draws in a minute. */
export const mostClasses = 100;

/** What a naive answer is called where the set names no column for it. */
export const commonestClass = "(most frequent class)";

/** A naive answer of each row: the number of a class, where it is one. */
export interface ClassBaseline {
  readonly column: string;
  readonly scores: Float64Array;
}

/**
 * Everything that a classifier of several classes tells by its answers on held-out rows. Pure: the bootstrap's seed is fixed.
 * @param names of the classes, in the order of their numbers; absent: they are known by their number
 * @param metric by which the model is held against the naive answer
 * @throws RangeError for fewer than two rows, rows of one class alone, more classes than are measured, or another number of them than there are names
 */
export function multiclassMetrics(
  set: ClassSet & Pick<ScoredClasses, "probabilities">,
  { names, metric }: { readonly names: readonly string[] | undefined; readonly metric: string },
  baseline?: ClassBaseline,
): RowMetrics {
  requireClasses(set, names);
  const sums = classSums(set);
  const calibration = classCalibrationOf(set, names);
  return {
    rows: set.labels.length,
    values: classValues(set, sums),
    intervals: { accuracy: shareRight(set, sums), ...bootstrapIntervals(set) },
    bootstrap: { ...bootstrapOptions },
    classes: perClass(set, sums, names),
    ...(calibration ? { classCalibration: calibration } : {}),
    baseline: besideBaseline(set, metric, baseline),
  };
}

/** @throws RangeError as `multiclassMetrics` */
export function requireClasses({ classCount, labels }: ClassSet, names: readonly string[] | undefined): void {
  if (classCount > mostClasses)
    throw new RangeError(`the model answers ${classCount} classes, and at most ${mostClasses} are measured`);
  if (names && names.length !== classCount)
    throw new RangeError(
      `the model answers ${classCount} classes, and model.classes of the charter names ${names.length}`,
    );
  if (labels.length < 2 || labels.every((label) => label === labels[0]))
    throw new RangeError("the rows are all of one class");
}

/** Each metric that the sums hold; log loss only of probabilities. Pure. */
export function classValues(set: ClassSet, sums: ArrayLike<number>) {
  return Object.fromEntries(
    measuredNames(set).map((name) => [name, classMetrics[name](sums, set.classCount)]),
  );
}

function measuredNames(set: ClassSet): readonly ClassMetricName[] {
  return classMetricNames.filter((name) => isMeasuredOf(set, name));
}

/** Whether answers have a metric: those of probabilities are of probabilities alone. Pure. */
export function isMeasuredOf(
  { likelihoods, squaredErrors }: Pick<ClassSet, "likelihoods" | "squaredErrors">,
  metric: ClassMetricName,
): boolean {
  if (metric === "log_loss") return likelihoods !== undefined;
  return metric !== "brier_score" || squaredErrors !== undefined;
}

/** Share of rows that are said right, with Wilson's interval. Pure. */
export function shareRight({ classCount, labels }: ClassSet, sums: ArrayLike<number>): MetricInterval {
  const right = Math.round(classMetrics.accuracy(sums, classCount) * labels.length);
  return { ...wilsonInterval(right, labels.length), method: "wilson" };
}

function bootstrapIntervals(set: ClassSet): Record<string, MetricInterval> {
  const drawn = measuredNames(set).filter((name) => name !== "accuracy");
  const found = bootstrapSparseSums(
    {
      rows: set.labels.length,
      width: classSumCount(set.classCount),
      add: (row, sums, from) => addClassRow(set, row, sums, from),
    },
    drawn.map((name) => (sums) => classMetrics[name](sums, set.classCount)),
    bootstrapOptions,
  );
  return Object.fromEntries(
    found.map((distribution, at) => [
      drawn[at] ?? "",
      { ...bcaInterval(distribution), method: "bca" as const },
    ]),
  );
}

/** How each class fares: its rows, how often it was said, and the shares that are right, with Wilson's intervals where there are any. */
function perClass(
  { classCount }: ClassSet,
  sums: ArrayLike<number>,
  names: readonly string[] | undefined,
): NonNullable<RowMetrics["classes"]> {
  return Array.from({ length: classCount }, (_, one) => {
    const [right, said, rows] = [0, 1, 2].map((at) => sums[at * classCount + one] ?? 0) as [
      number,
      number,
      number,
    ];
    const share = (of: number) =>
      of === 0 ? undefined : { value: right / of, interval: wilsonInterval(right, of) };
    const [precision, recall] = [share(said), share(rows)];
    return {
      name: names?.[one] ?? String(one),
      rows,
      predicted: said,
      ...(precision ? { precision } : {}),
      ...(recall ? { recall } : {}),
      ...(said + rows === 0 ? {} : { f1: (2 * right) / (said + rows) }),
    };
  });
}

/** Decisions that a naive answer can be held by: it is a class, and no probability. */
function decisionMetric(metric: string): ClassMetricName {
  const found = classMetricNames.find((name) => name === metric);
  return found === undefined || found === "log_loss" || found === "brier_score" ? "accuracy" : found;
}

/**
 * The model beside a naive answer: the class that a column of the set names, and of rows where it names none, or without a column, the most frequent class of
 * these very rows.
 */
function besideBaseline(
  set: ClassSet,
  metric: string,
  baseline: ClassBaseline | undefined,
): NonNullable<RowMetrics["baseline"]> {
  const { classCount, labels } = set;
  const common = commonestOf(set);
  const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < classCount;
  if (baseline && !baseline.scores.some(isClass))
    throw new RangeError(`the baseline ${baseline.column} holds no number of a class on any row`);
  const predicted = Uint16Array.from(labels, (_, row) => {
    const value = baseline?.scores[row] ?? Number.NaN;
    return isClass(value) ? value : common;
  });
  const held = decisionMetric(metric);
  const { distribution, theirs } = pairedAdvantage(
    set,
    { classCount, labels, predicted },
    held,
    bootstrapOptions,
  );
  return {
    column: baseline?.column ?? commonestClass,
    metric: held,
    value: theirs,
    difference: { value: distribution.estimate, interval: bcaInterval(distribution) },
  };
}

function commonestOf({ classCount, labels }: ClassSet): number {
  const counts = new Uint32Array(classCount);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.indexOf(counts.reduce((most, count) => Math.max(most, count), 0));
}

/** By how much one set of answers is better than another on the same rows, positive also of losses: each resample draws rows with both models' answers. Pure. */
export function pairedAdvantage(
  ours: ClassSet,
  theirs: ClassSet,
  metric: ClassMetricName,
  options: BootstrapOptions,
) {
  const { classCount } = ours;
  const value = classMetrics[metric];
  return {
    distribution: isMeanOfRows(metric)
      ? meanAdvantage(ours, theirs, metric, options)
      : summedAdvantage(ours, theirs, metric, options),
    ours: value(classSums(ours), classCount),
    theirs: value(classSums(theirs), classCount),
  };
}

type MeanOfRows = "accuracy" | "log_loss" | "brier_score";

/** Of a mean over rows the differences of the rows are enough, which is a fraction of the work. */
function isMeanOfRows(metric: ClassMetricName): metric is MeanOfRows {
  return metric === "accuracy" || metric === "log_loss" || metric === "brier_score";
}

function meanAdvantage(
  ours: ClassSet,
  theirs: ClassSet,
  metric: MeanOfRows,
  options: BootstrapOptions,
): BootstrapDistribution {
  const isRight = ({ predicted, labels }: ClassSet, row: number) => Number(predicted[row] === labels[row]);
  const loss = ({ likelihoods, squaredErrors }: ClassSet, row: number) =>
    metric === "log_loss"
      ? logLossOf(likelihoods?.[row] ?? Number.NaN)
      : (squaredErrors?.[row] ?? Number.NaN);
  const ahead = Float64Array.from(ours.labels, (_, row) =>
    metric === "accuracy" ? isRight(ours, row) - isRight(theirs, row) : loss(theirs, row) - loss(ours, row),
  );
  const mean = (sums: ArrayLike<number>) => (sums[0] ?? 0) / (sums[1] ?? 1);
  return only(bootstrapSums([ahead, ahead.map(() => 1)], [mean], options));
}

function summedAdvantage(
  ours: ClassSet,
  theirs: ClassSet,
  metric: Exclude<ClassMetricName, MeanOfRows>,
  options: BootstrapOptions,
): BootstrapDistribution {
  const { classCount } = ours;
  const width = classSumCount(classCount);
  const value = classMetrics[metric];
  const rows = {
    rows: ours.labels.length,
    width: 2 * width,
    add: (row: number, sums: Float64Array, from: number) => {
      addClassRow(ours, row, sums, from);
      addClassRow(theirs, row, sums, from + width);
    },
  };
  return only(
    bootstrapSparseSums(rows, [(sums) => value(sums, classCount) - value(sums, classCount, width)], options),
  );
}

function only([distribution]: readonly BootstrapDistribution[]): BootstrapDistribution {
  if (!distribution) throw new RangeError("the bootstrap gave nothing");
  return distribution;
}
