import { FourierFeatures, medianDistance } from "@portolan/numerics";
import type { Draws } from "./seeded-draws.ts";

/** One query as the guard sees it: the model's inputs as numbers, and what it answered. */
export interface Query {
  readonly row: Float32Array;
  /** Class of the answer; 0 where there are none. */
  readonly label: number;
  /** How far the answer was from the next class, 0 to 1; NaN where there is no such thing. */
  readonly margin: number;
}

/** A query by what windows add up; a few hundred bytes whatever its model takes. */
export interface QuerySketch {
  /** Its map in the feature space of the kernels. */
  readonly features: Float32Array;
  /** Which side of each of thirty planes it lies on: close queries share a cell. */
  readonly cell: number;
  /** True where the reference has no query. */
  readonly isNew: boolean;
  /** Bin of its label and margin. */
  readonly answer: number;
}

const frequencies = 128;
const bandwidthRows = 200;
/** Parts of the median distance: attacks that stay close to data are seen by the small one. */
const bandwidthParts = [0.25, 0.5, 1];
const fineBits = 30;
const coarseBits = 12;
const coarse = (1 << coarseBits) - 1;
const marginBins = 10;
const labelBins = 4;

/**
 * The space in which the queries of one endpoint are compared: made from a reference sample, fixed from then on. Columns are
 * standardised and cut at ten deviations, so that one absurd value is far, and not everything.
 */
export class QuerySpace {
  readonly dimensions: number;
  readonly referenceSum: Float64Array;
  readonly referenceCount: number;
  readonly referenceAnswers = new Float64Array(marginBins * labelBins);
  readonly #features: FourierFeatures;
  readonly #mean: Float64Array;
  readonly #scale: Float64Array;
  readonly #planes: Float64Array;
  readonly #offsets: Float64Array;
  readonly #occupied = new Uint8Array(1 << coarseBits);
  readonly #standard: Float64Array;

  /** @param reference at least two queries, all of the same length */
  constructor(reference: readonly Query[], draws: Draws) {
    this.dimensions = reference[0]?.row.length ?? 0;
    this.#mean = columnMeans(reference, this.dimensions);
    this.#scale = columnScales(reference, this.#mean);
    this.#standard = new Float64Array(this.dimensions);
    const sample = reference
      .slice(0, bandwidthRows)
      .map(({ row }) => Float64Array.from(this.#standardise(row)));
    const median = medianDistance(sample) || 1;
    const bandwidths = bandwidthParts.map((part) => part * median);
    this.#features = new FourierFeatures(this.dimensions, frequencies, bandwidths, draws.normal);
    this.#planes = Float64Array.from({ length: fineBits * this.dimensions }, draws.normal);
    // Planes through points of the reference: cut where the data is, not only at its centre.
    this.#offsets = Float64Array.from({ length: fineBits }, (_, bit) =>
      this.#project(bit, sample[draws.below(sample.length)] ?? []),
    );
    this.referenceSum = new Float64Array(this.#features.size);
    this.referenceCount = reference.length;
    for (const query of reference) {
      const { features, cell, answer } = this.sketch(query);
      for (let i = 0; i < features.length; i++)
        this.referenceSum[i] = (this.referenceSum[i] ?? 0) + (features[i] ?? 0);
      this.#occupied[cell & coarse] = 1;
      this.referenceAnswers[answer] = (this.referenceAnswers[answer] ?? 0) + 1;
    }
  }

  sketch(query: Query): QuerySketch {
    const standard = this.#standardise(query.row);
    const map = new Float64Array(this.#features.size);
    this.#features.addTo(map, standard);
    const cell = this.#cellOf(standard);
    const isNew = this.#occupied[cell & coarse] === 0;
    return { features: Float32Array.from(map), cell, isNew, answer: answerBin(query) };
  }

  /** @returns a buffer that the next call overwrites */
  #standardise(row: ArrayLike<number>): Float64Array {
    for (let i = 0; i < this.dimensions; i++) {
      const value = ((row[i] ?? 0) - (this.#mean[i] ?? 0)) / (this.#scale[i] ?? 1);
      this.#standard[i] = Number.isFinite(value) ? Math.max(-10, Math.min(10, value)) : 10;
    }
    return this.#standard;
  }

  #cellOf(standard: ArrayLike<number>): number {
    let cell = 0;
    for (let bit = 0; bit < fineBits; bit++)
      if (this.#project(bit, standard) > (this.#offsets[bit] ?? 0)) cell |= 1 << bit;
    return cell;
  }

  #project(bit: number, standard: ArrayLike<number>): number {
    let sum = 0;
    const from = bit * this.dimensions;
    for (let i = 0; i < this.dimensions; i++) sum += (this.#planes[from + i] ?? 0) * (standard[i] ?? 0);
    return sum;
  }
}

function answerBin({ label, margin }: Query): number {
  const bin = Number.isNaN(margin)
    ? 0
    : Math.min(marginBins - 1, Math.max(0, Math.floor(margin * marginBins)));
  return (Math.abs(label) % labelBins) * marginBins + bin;
}

function columnMeans(reference: readonly Query[], dimensions: number): Float64Array {
  const mean = new Float64Array(dimensions);
  for (const { row } of reference)
    for (let i = 0; i < dimensions; i++) mean[i] = (mean[i] ?? 0) + (row[i] ?? 0) / reference.length;
  return mean;
}

function columnScales(reference: readonly Query[], mean: Float64Array): Float64Array {
  const variance = new Float64Array(mean.length);
  for (const { row } of reference)
    for (let i = 0; i < mean.length; i++)
      variance[i] = (variance[i] ?? 0) + ((row[i] ?? 0) - (mean[i] ?? 0)) ** 2 / reference.length;
  return variance.map((value) => (value > 1e-12 ? Math.sqrt(value) : 1));
}
