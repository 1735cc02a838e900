/** One observation; all rows of a set have the same length. */
export type NumericRow = ArrayLike<number>;

/** Median of the Euclidean distances of all pairs: the usual bandwidth of a Gaussian kernel. At least two rows. */
export function medianDistance(rows: readonly NumericRow[]): number {
  if (rows.length < 2) throw new RangeError("a distance needs two rows");
  const distances: number[] = [];
  rows.forEach((row, i) => {
    for (let j = i + 1; j < rows.length; j++) distances.push(Math.sqrt(distanceSquared(row, rows[j] ?? [])));
  });
  distances.sort((a, b) => a - b);
  const middle = distances.length >> 1;
  const upper = distances[middle] ?? Number.NaN;
  return distances.length % 2 === 1 ? upper : (upper + (distances[middle - 1] ?? Number.NaN)) / 2;
}

/**
 * Maximum mean discrepancy, squared and unbiased (Gretton et al. 2012, lemma 6), under the kernel exp(−‖x − y‖² / 2σ²). Exact and
 * quadratic; may be negative.
 * @param bandwidth σ, above 0
 */
export function mmdSquared(x: readonly NumericRow[], y: readonly NumericRow[], bandwidth: number): number {
  if (x.length < 2 || y.length < 2) throw new RangeError("each sample needs two rows");
  const kernel = (a: NumericRow, b: NumericRow): number =>
    Math.exp(-distanceSquared(a, b) / (2 * bandwidth ** 2));
  const within = (rows: readonly NumericRow[]): number => {
    let sum = 0;
    rows.forEach((row, i) => {
      for (let j = i + 1; j < rows.length; j++) sum += kernel(row, rows[j] ?? []);
    });
    return (2 * sum) / (rows.length * (rows.length - 1));
  };
  let across = 0;
  for (const a of x) for (const b of y) across += kernel(a, b);
  return within(x) + within(y) - (2 * across) / (x.length * y.length);
}

function distanceSquared(a: NumericRow, b: NumericRow): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN)) ** 2;
  return sum;
}

/**
 * Random Fourier features (Rahimi and Recht 2007) of Gaussian kernels: the inner product of two maps approximates the mean of the
 * kernels of all bandwidths, so that a sample is one vector and its discrepancy from another costs nothing but their distance.
 */
export class FourierFeatures {
  readonly #frequencies: Float64Array;
  readonly dimensions: number;
  /** Length of a map: a cosine and a sine for each frequency. */
  readonly size: number;

  /**
   * @param bandwidths each gets an equal part of the frequencies
   * @param normal draws from the standard normal distribution
   */
  constructor(dimensions: number, count: number, bandwidths: readonly number[], normal: () => number) {
    this.dimensions = dimensions;
    this.size = 2 * count;
    this.#frequencies = Float64Array.from({ length: count * dimensions }, (_, i) => {
      const bandwidth = bandwidths[Math.floor(i / dimensions) % bandwidths.length] ?? Number.NaN;
      return normal() / bandwidth;
    });
  }

  /** Adds a row's map to a sum of maps; the mean of a sample is that sum over its rows. */
  addTo(sum: Float64Array, row: NumericRow): void {
    const scale = Math.sqrt(2 / this.size);
    for (let f = 0, at = 0; at < this.size; f += this.dimensions, at += 2) {
      let angle = 0;
      for (let i = 0; i < this.dimensions; i++) angle += (this.#frequencies[f + i] ?? 0) * (row[i] ?? 0);
      sum[at] = (sum[at] ?? 0) + Math.cos(angle) * scale;
      sum[at + 1] = (sum[at + 1] ?? 0) + Math.sin(angle) * scale;
    }
  }
}

/** Squared distance of two means: the biased squared discrepancy of two samples whose maps were summed. */
export function meanDistanceSquared(
  sumA: Float64Array,
  countA: number,
  sumB: Float64Array,
  countB: number,
): number {
  let squared = 0;
  for (let i = 0; i < sumA.length; i++)
    squared += ((sumA[i] ?? Number.NaN) / countA - (sumB[i] ?? Number.NaN) / countB) ** 2;
  return squared;
}
