import type { CountBudget } from "./count-budget.ts";
import { addedUp, bytesOfCells, type CountedPart, keyOfPart } from "./counted-part.ts";

/** Parts that wait in memory, one per key. */
export class HeldParts {
  readonly #budget: CountBudget;
  #parts = new Map<string, CountedPart>();

  constructor(budget: CountBudget) {
    this.#budget = budget;
  }

  /** Adds a part that has its room already; what is added to another gives it back. */
  add(part: CountedPart): void {
    const key = keyOfPart(part);
    const known = this.#parts.get(key);
    const sum = known ? addedUp(known, part) : part;
    if (sum) this.#parts.set(key, sum);
    else this.#budget.uncountedRows += part.rows;
    if (known) this.#budget.release(bytesOfCells(part.counts.length));
  }

  /** All of them, with their room. */
  take(): CountedPart[] {
    const parts = [...this.#parts.values()];
    this.#parts = new Map();
    return parts;
  }
}
