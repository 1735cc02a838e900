/** The finest resolution that is tried: bucket bounds grow by 2^(1/8), about 9 %. */
const finestSchema = 3;
/** More buckets than this halve the resolution, as Prometheus' own client does. */
const mostBuckets = 160;

/** Buckets side by side, as Prometheus' protocol wants them: runs of neighbours, and counts as differences. */
export interface SparseBuckets {
  readonly schema: number;
  readonly zeroCount: number;
  readonly spans: readonly { readonly offset: number; readonly length: number }[];
  readonly deltas: readonly number[];
}

/**
 * A histogram whose bounds nobody has to choose: bucket i counts values in (b^(i−1), b^i] with b = 2^(2^−schema), so that every
 * quantile is known to the same relative error wherever it lies. (Prometheus, "native histograms".)
 */
export class NativeHistogram {
  readonly #counts = new Map<number, number>();
  #schema = finestSchema;
  #zeros = 0;

  /** @param value 0 or more; smaller ones count as zero */
  observe(value: number): void {
    if (!(value > 0)) {
      this.#zeros++;
      return;
    }
    const index = bucketOf(value, this.#schema);
    this.#counts.set(index, (this.#counts.get(index) ?? 0) + 1);
    while (this.#counts.size > mostBuckets) this.#coarsen();
  }

  buckets(): SparseBuckets {
    const spans: { offset: number; length: number }[] = [];
    const deltas: number[] = [];
    let [next, before] = [0, 0];
    for (const [index, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      const last = spans.at(-1);
      if (last && index === next) last.length++;
      else spans.push({ offset: spans.length === 0 ? index : index - next, length: 1 });
      next = index + 1;
      deltas.push(count - before);
      before = count;
    }
    return { schema: this.#schema, zeroCount: this.#zeros, spans, deltas };
  }

  /** Two neighbours become one. */
  #coarsen(): void {
    this.#schema--;
    const finer = [...this.#counts];
    this.#counts.clear();
    for (const [index, count] of finer) {
      const merged = ((index - 1) >> 1) + 1;
      this.#counts.set(merged, (this.#counts.get(merged) ?? 0) + count);
    }
  }
}

/** Index of the bucket that a value above 0 falls into. */
export function bucketOf(value: number, schema: number): number {
  return Math.ceil(Math.log2(value) * 2 ** schema);
}
