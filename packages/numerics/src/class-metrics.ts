/** Evaluated rows of several classes, which are numbered from 0. */
export interface ClassSet {
  /** How many classes there are. */
  readonly classCount: number;
  /** The class that was said of each row: the one of the highest score. */
  readonly predicted: Uint16Array;
  /** The class that each row is of; same length as `predicted`. */
  readonly labels: Uint16Array;
  /** The probability that was given to the class that the row is of; absent where scores are no probabilities. */
  readonly likelihoods?: Float64Array;
  /** How far each row's probabilities are from what is so: the sum of squares over all classes, in [0, 2]; absent where scores are no probabilities. */
  readonly squaredErrors?: Float64Array;
}

/** How many sums `addClassRow` adds to. */
export function classSumCount(classCount: number): number {
  return 3 * classCount + 3;
}

/**
 * Adds one row to the sums that metrics of classes are made of: of each class its rows that were said right, those that it was said of, and those that are of
 * it; then the log loss, the squared error, and one.
 * @param from place of the first sum
 */
export function addClassRow(set: ClassSet, row: number, sums: Float64Array, from = 0): void {
  const { classCount } = set;
  const [said, is] = [set.predicted[row] ?? 0, set.labels[row] ?? 0];
  if (said === is) add(sums, from + is, 1);
  add(sums, from + classCount + said, 1);
  add(sums, from + 2 * classCount + is, 1);
  if (set.likelihoods) add(sums, from + 3 * classCount, logLossOf(set.likelihoods[row] ?? Number.NaN));
  if (set.squaredErrors) add(sums, from + 3 * classCount + 1, set.squaredErrors[row] ?? Number.NaN);
  add(sums, from + 3 * classCount + 2, 1);
}

/** The sums of all rows. */
export function classSums(set: ClassSet): Float64Array {
  const sums = new Float64Array(classSumCount(set.classCount));
  for (let row = 0; row < set.labels.length; row++) addClassRow(set, row, sums);
  return sums;
}

function add(sums: Float64Array, at: number, value: number): void {
  sums[at] = (sums[at] ?? 0) + value;
}

/** What a row costs by the probability that was given to its class. Probabilities are kept 2^-52 away from 0 and 1, as scikit-learn's `log_loss` does. */
export function logLossOf(likelihood: number): number {
  return -Math.log(Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, likelihood)));
}

/** The sum of squares by which a row's probabilities miss what is so. @param label number of the class that the row is of */
export function squaredErrorOf(probabilities: ArrayLike<number>, label: number): number {
  let sum = 0;
  for (let one = 0; one < probabilities.length; one++)
    sum += ((probabilities[one] ?? Number.NaN) - Number(one === label)) ** 2;
  return sum;
}

/** Sums of `addClassRow`, the number of classes, and at which sum they begin. */
type ClassMetric = (sums: ArrayLike<number>, classCount: number, from?: number) => number;

/**
 * Metrics of several classes that follow from their sums; equal to scikit-learn's `accuracy_score`, `balanced_accuracy_score`, `f1_score(average="macro")`,
 * `log_loss` and `brier_score_loss(scale_by_half=False)`. As there, a class that no row is of has no part in the balanced accuracy, and one that was never said either has none in the F1.
 */
export const classMetrics = {
  accuracy: (sums, classCount, from = 0) => {
    let right = 0;
    for (let one = 0; one < classCount; one++) right += sums[from + one] ?? 0;
    return ratio(right, sums[from + 3 * classCount + 2] ?? 0);
  },
  balanced_accuracy: (sums, classCount, from = 0) =>
    meanOf(classCount, (one) => {
      const of = sums[from + 2 * classCount + one] ?? 0;
      return of === 0 ? undefined : (sums[from + one] ?? 0) / of;
    }),
  macro_f1: (sums, classCount, from = 0) =>
    meanOf(classCount, (one) => {
      const both = (sums[from + classCount + one] ?? 0) + (sums[from + 2 * classCount + one] ?? 0);
      return both === 0 ? undefined : (2 * (sums[from + one] ?? 0)) / both;
    }),
  log_loss: (sums, classCount, from = 0) =>
    ratio(sums[from + 3 * classCount] ?? 0, sums[from + 3 * classCount + 2] ?? 0),
  brier_score: (sums, classCount, from = 0) =>
    ratio(sums[from + 3 * classCount + 1] ?? 0, sums[from + 3 * classCount + 2] ?? 0),
} as const satisfies Record<string, ClassMetric>;
export type ClassMetricName = keyof typeof classMetrics;

function meanOf(classCount: number, valueOf: (one: number) => number | undefined): number {
  let [sum, count] = [0, 0];
  for (let one = 0; one < classCount; one++) {
    const value = valueOf(one);
    if (value === undefined) continue;
    sum += value;
    count++;
  }
  return ratio(sum, count);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
