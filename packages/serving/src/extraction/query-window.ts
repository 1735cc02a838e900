import { jensenShannon, meanDistanceSquared } from "@portolan/numerics";
import type { QuerySketch, QuerySpace } from "./query-space.ts";

/** What is looked at; each grows the less a window looks like the reference. */
export const windowStatistics = ["discrepancy", "answers", "duplicates", "novelty"] as const;
export type WindowStatistic = (typeof windowStatistics)[number];
export type WindowScores = Readonly<Record<WindowStatistic, number>>;

/** A client's last queries as sums: no query is kept. */
export class QueryWindow {
  readonly #space: QuerySpace;
  readonly #sum: Float64Array;
  readonly #answers: Float64Array;
  readonly #cells = new Set<number>();
  #count = 0;
  #duplicates = 0;
  #novel = 0;

  constructor(space: QuerySpace) {
    this.#space = space;
    this.#sum = new Float64Array(space.referenceSum.length);
    this.#answers = new Float64Array(space.referenceAnswers.length);
  }

  get count(): number {
    return this.#count;
  }

  add({ features, cell, isNew, answer }: QuerySketch): void {
    for (let i = 0; i < features.length; i++) this.#sum[i] = (this.#sum[i] ?? 0) + (features[i] ?? 0);
    this.#answers[answer] = (this.#answers[answer] ?? 0) + 1;
    if (this.#cells.has(cell)) this.#duplicates++;
    else this.#cells.add(cell);
    if (isNew) this.#novel++;
    this.#count++;
  }

  /** Of at least one query. */
  scores(): WindowScores {
    const { referenceSum, referenceCount, referenceAnswers } = this.#space;
    return {
      discrepancy: meanDistanceSquared(this.#sum, this.#count, referenceSum, referenceCount),
      answers: jensenShannon(this.#answers, referenceAnswers),
      duplicates: this.#duplicates / this.#count,
      novelty: this.#novel / this.#count,
    };
  }

  clear(): void {
    this.#sum.fill(0);
    this.#answers.fill(0);
    this.#cells.clear();
    this.#count = 0;
    this.#duplicates = 0;
    this.#novel = 0;
  }
}
