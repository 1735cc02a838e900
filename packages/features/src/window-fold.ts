import { evaluate, type Row } from "@portolan/expressions";
import type { FeatureView } from "./view-model.ts";

interface FoldedEvent {
  readonly event: bigint;
  readonly available: bigint;
  /** What each feature sums, in the view's order; null takes no part. */
  readonly values: readonly (bigint | null)[];
}

/** It has no negative of 64 bits, which the batch plan needs: docs/spec/features.md F5. */
const smallest = -(2n ** 63n);

/**
 * The second executor of a view: takes events one at a time, in any order, and answers at any moment at or after `forget`.
 * Straight from the definition (docs/spec/features.md F1 to F5), with integers throughout, so that it agrees with the batch plan bit for bit.
 */
export class WindowFold {
  readonly #view: FeatureView;
  readonly #longest: bigint;
  readonly #byKey = new Map<string, FoldedEvent[]>();

  constructor(view: FeatureView) {
    this.#view = view;
    this.#longest = BigInt(Math.max(...view.features.map((feature) => feature.windowMicros)));
  }

  get keyCount(): number {
    return this.#byKey.size;
  }

  /** Adds one event; returns its key, or `undefined` when a key, the event time or its availability is null. */
  apply(row: Row): string | undefined {
    const key = this.#view.entity.map(({ column }) => row[column] ?? null);
    const event = row[this.#view.eventTime];
    const known = evaluate(this.#view.available, row);
    if (key.includes(null) || typeof event !== "bigint" || typeof known !== "bigint") return undefined;
    const values = this.#view.features.map(({ of }) => {
      if (!of) return 1n;
      const value = evaluate(of, row);
      if (typeof value === "boolean") return value ? 1n : 0n;
      return typeof value === "bigint" && value !== smallest ? value : null;
    });
    const text = keyText(key as (string | bigint)[]);
    const events = this.#byKey.get(text);
    const folded = { event, available: known > event ? known : event, values };
    if (events) events.push(folded);
    else this.#byKey.set(text, [folded]);
    return text;
  }

  /**
   * Values at T in the view's order: an event counts when T − window < event ≤ T and it was available at T. A sum beyond 64 bits
   * is null, and so is its mean.
   */
  valuesAt(key: readonly (string | number | bigint)[], at: bigint): (number | null)[] {
    const events = this.#byKey.get(keyText(key)) ?? [];
    return this.#view.features.map((feature, index) => {
      let count = 0n;
      let sum = 0n;
      const start = at - BigInt(feature.windowMicros);
      for (const { event, available, values } of events) {
        const value = values[index] ?? null;
        if (event <= start || event > at || available > at || value === null) continue;
        count += 1n;
        sum += value;
      }
      if (feature.aggregate === "count") return Number(count);
      if (count === 0n || BigInt.asIntN(64, sum) !== sum) return null;
      return feature.aggregate === "sum" ? Number(sum) : Number(sum) / Number(count);
    });
  }

  /** Drops events that no window reaches at or after `at`; returns how many are left. */
  forget(at: bigint): number {
    let left = 0;
    for (const [key, events] of this.#byKey) {
      const kept = events.filter((entry) => entry.event > at - this.#longest);
      if (kept.length > 0) this.#byKey.set(key, kept);
      else this.#byKey.delete(key);
      left += kept.length;
    }
    return left;
  }

  /** Keys of the entities that it holds; integers as decimal text, for a number would round those beyond 2^53. */
  keys(): string[][] {
    return [...this.#byKey.keys()].map((text) => JSON.parse(text) as string[]);
  }
}

function keyText(key: readonly (string | number | bigint)[]): string {
  return JSON.stringify(key.map(String));
}
