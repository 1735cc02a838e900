import { binOf, binsOf, evenEdges, type ReliabilityBin } from "./calibration.ts";

/**
 * Probabilities of each of several classes, counted by bins of one width, class after class: however many rows there are, this is all that class-wise
 * calibration needs of them.
 */
export interface ClassReliability {
  readonly classCount: number;
  /** Of each class. */
  readonly binCount: number;
  readonly rows: Float64Array;
  /** Of the probabilities in the bin. */
  readonly sums: Float64Array;
  /** Rows in the bin that are of the class. */
  readonly positives: Float64Array;
}

/** Nothing counted yet. */
export function classReliability(classCount: number, binCount = 10): ClassReliability {
  const empty = () => new Float64Array(classCount * binCount);
  return { classCount, binCount, rows: empty(), sums: empty(), positives: empty() };
}

/**
 * Counts one row in the bin of each class's probability.
 * @param probabilities of each class; a little above 1 (single precision's rounding) is 1
 * @param label number of the class that the row is of
 */
export function countProbabilities(
  { classCount, binCount, rows, sums, positives }: ClassReliability,
  probabilities: ArrayLike<number>,
  label: number,
  edges: readonly number[] = evenEdges(binCount),
): void {
  for (let one = 0; one < classCount; one++) {
    const probability = Math.min(1, probabilities[one] ?? Number.NaN);
    const at = one * binCount + binOf(edges, probability);
    rows[at] = (rows[at] ?? 0) + 1;
    sums[at] = (sums[at] ?? 0) + probability;
    if (one === label) positives[at] = (positives[at] ?? 0) + 1;
  }
}

/** Reliability of one class against all others, as `reliabilityBins(…, "uniform")` of its probabilities. */
export function classReliabilityBins(
  { binCount, rows, sums, positives }: ClassReliability,
  one: number,
): ReliabilityBin[] {
  const own = (all: Float64Array) => all.subarray(one * binCount, (one + 1) * binCount);
  return binsOf(evenEdges(binCount), { rows: own(rows), sums: own(sums), positives: own(positives) });
}
