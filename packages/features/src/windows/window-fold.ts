import { evaluate, type Row, type Value } from "@portolan/expressions";
import type { FeatureView, WindowFeature } from "../view-model.ts";
import { isPick, sumValueOf, widest } from "./aggregates.ts";

interface FoldedEvent {
  readonly event: bigint;
  readonly available: bigint;
  /** What each feature aggregates, in the view's order; null takes no part. */
  readonly values: readonly Cell[];
}

/** An integer, the double or text of a pick, or nothing. */
type Cell = Exclude<Value, boolean>;

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
    const values = this.#view.features.map((feature) => cellOf(feature, row));
    const text = keyText(key as (string | bigint)[]);
    const events = this.#byKey.get(text);
    const folded = { event, available: known > event ? known : event, values };
    if (events) events.push(folded);
    else this.#byKey.set(text, [folded]);
    return text;
  }

  /**
   * Values at T in the view's order: an event counts when T − window < event ≤ T and it was available at T.
   */
  valuesAt(key: readonly (string | number | bigint)[], at: bigint): (number | null)[] {
    const events = this.#byKey.get(keyText(key)) ?? [];
    return this.#view.features.map((feature, index) => {
      const start = at - BigInt(feature.windowMicros);
      const inside = events.filter(({ event, available }) => event > start && event <= at && available <= at);
      return isPick(feature) ? pick(feature, index, inside) : total(feature, index, inside);
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

function cellOf(feature: WindowFeature, row: Row): Cell {
  if (!feature.of) return 1n;
  const value = evaluate(feature.of, row);
  if (typeof value === "boolean") return value ? 1n : 0n;
  return value === smallest && !isPick(feature) ? null : value;
}

function total(feature: WindowFeature, index: number, events: readonly FoldedEvent[]): number | null {
  const values = events.map((event) => event.values[index]).filter((value) => typeof value === "bigint");
  const isWide = (value: bigint): boolean => value > widest || value < -widest;
  if (feature.aggregate === "variance" && values.some(isWide)) return null;
  return sumValueOf(feature, {
    count: values.length,
    sum: values.reduce((all, value) => all + value, 0n),
    squares: values.reduce((all, value) => all + value * value, 0n),
  });
}

function pick(
  { aggregate, limit = 1, nth = 1 }: WindowFeature,
  index: number,
  events: readonly FoldedEvent[],
): number | null {
  const valued = events.filter(({ values }) => (values[index] ?? null) !== null);
  if (aggregate === "distinct")
    return Math.min(new Set(valued.map(({ values }) => values[index])).size, limit);
  if (nth > 1) {
    const newest = valued.toSorted((one, other) => (isBetter(aggregate, index, one, other) ? -1 : 1))[
      nth - 1
    ];
    return newest ? Number(newest.values[index]) : null;
  }
  const [first, ...others] = valued;
  if (!first) return null;
  const best = others.reduce(
    (best, event) => (isBetter(aggregate, index, event, best) ? event : best),
    first,
  );
  return Number(best.values[index]);
}

/** Of equal events the one that was known later is newer, and of equal ones of those the larger value: no order of arrival decides. */
function isBetter(
  aggregate: WindowFeature["aggregate"],
  index: number,
  event: FoldedEvent,
  best: FoldedEvent,
): boolean {
  const [value, other] = [event.values[index] ?? 0n, best.values[index] ?? 0n];
  if (aggregate === "min") return value < other;
  if (aggregate === "max") return value > other;
  if (event.event !== best.event) return event.event > best.event;
  return event.available === best.available ? value > other : event.available > best.available;
}

function keyText(key: readonly (string | number | bigint)[]): string {
  return JSON.stringify(key.map(String));
}
