import { sumValueOf, widest } from "../windows/aggregates.ts";
import type { EventCell, EventRecord, ShapedFeature, WindowShape } from "./event-record.ts";
import { plus, readWhole, type StoredWhole, square, storedWhole, type Whole } from "./whole.ts";

/** Newest value: event, available, value. */
type Newest = readonly [number, number, StoredWhole];

/**
 * What is kept of one operand over some events, as far as a feature asks for it: how many values, their sum, the sum of their squares, how many
 * were too wide for a square; the least, the largest, the newest; different ones, the first in order, no more than the largest limit; and the newest
 * after the first, where more are asked for.
 */
export type OperandAggregate = readonly [
  count: number,
  sum: StoredWhole,
  squares: StoredWhole,
  wide: number,
  least: StoredWhole | null,
  largest: StoredWhole | null,
  newest: Newest | null,
  distinct: readonly StoredWhole[],
  others?: readonly Newest[],
];

/** Of some events: how many there are, and their operands. */
export interface Aggregate {
  readonly count: number;
  readonly operands: readonly OperandAggregate[];
}

type Event = Pick<EventRecord, "event" | "available" | "values">;

/** It takes no part in sums: docs/spec/features.md F5. */
const smallest = "-9223372036854775808";

interface Needs {
  readonly sums: boolean;
  readonly squares: boolean;
  readonly least: boolean;
  readonly largest: boolean;
  /** How many of the newest; 0 where no feature asks for one. */
  readonly newest: number;
  /** 0 where no feature counts different values. */
  readonly distinct: number;
}

/** What the features of a shape ask of each operand. */
function needsOf({ features, operands }: WindowShape): Needs[] {
  return operands.map((_, operand) => {
    const own = features.filter((feature) => feature.operand === operand);
    const asks = (...aggregates: readonly ShapedFeature["aggregate"][]): boolean =>
      own.some(({ aggregate }) => aggregates.includes(aggregate));
    return {
      sums: asks("count", "sum", "mean", "variance"),
      squares: asks("variance"),
      least: asks("min"),
      largest: asks("max"),
      newest: Math.max(0, ...own.map(({ aggregate, nth = 1 }) => (aggregate === "last" ? nth : 0))),
      distinct: Math.max(0, ...own.map(({ limit }) => limit ?? 0)),
    };
  });
}

/** Adds events and other aggregates up, exactly; in whatever order they come, the result is the same. */
export class Aggregator {
  readonly #shape: WindowShape;
  readonly #needs: readonly Needs[];
  #count = 0;
  #operands: Mutable[];

  constructor(shape: WindowShape, needs: readonly Needs[] = needsOf(shape)) {
    this.#shape = shape;
    this.#needs = needs;
    this.#operands = shape.operands.map(nothing);
  }

  /** Another one of the same shape, of nothing. */
  fresh(): Aggregator {
    return new Aggregator(this.#shape, this.#needs);
  }

  addEvent({ event, available, values }: Event): this {
    this.#count += 1;
    for (const [index, needs] of this.#needs.entries()) {
      const cell = values[index] ?? null;
      const into = this.#operands[index];
      if (cell !== null && into)
        addCell(into, needs, this.#valueOf(index, cell), cell, [event, available, cell]);
    }
    return this;
  }

  addAggregate({ count, operands }: Aggregate): this {
    this.#count += count;
    for (const [index, needs] of this.#needs.entries()) {
      const [into, other] = [this.#operands[index], operands[index]];
      if (!into || !other) continue;
      into.count += other[0];
      into.sum = plus(into.sum, readWhole(other[1]));
      into.squares = plus(into.squares, readWhole(other[2]));
      into.wide += other[3];
      if (other[4] !== null) into.least = least(into.least, this.#valueOf(index, other[4]));
      if (other[5] !== null) into.largest = largest(into.largest, this.#valueOf(index, other[5]));
      for (const one of [...(other[6] ? [other[6]] : []), ...(other[8] ?? [])])
        addNewest(into, one, this.#valueOf(index, one[2]), needs.newest);
      for (const cell of other[7]) addDistinct(into, cell, needs.distinct);
    }
    return this;
  }

  /** As it is stored: equal events give equal bytes. */
  aggregate(): Aggregate {
    return { count: this.#count, operands: this.#operands.map(stored) };
  }

  /** A feature's value (docs/spec/features.md F4, F5, F26 to F28). */
  valueOf(feature: ShapedFeature): number | null {
    const { aggregate, operand, limit = 1, nth = 1 } = feature;
    const of = this.#operands[operand];
    if (!of) return this.#count;
    switch (aggregate) {
      case "count":
      case "sum":
      case "mean":
        return sumValueOf(feature, { count: of.count, sum: BigInt(of.sum), squares: 0n });
      case "variance":
        return of.wide > 0
          ? null
          : sumValueOf(feature, { count: of.count, sum: BigInt(of.sum), squares: BigInt(of.squares) });
      case "min":
        return of.least === null ? null : Number(of.least);
      case "max":
        return of.largest === null ? null : Number(of.largest);
      case "last":
        return of.newest.length < nth ? null : Number(of.newest[nth - 1]?.value);
      case "distinct":
        return Math.min(of.distinct.length, limit);
    }
  }

  /** A cell as what is compared and summed: floats are numbers, integers exact. */
  #valueOf(operand: number, cell: StoredWhole): Whole {
    return this.#shape.operands[operand] === "int" ? readWhole(cell) : Number(cell);
  }
}

interface Mutable {
  count: number;
  sum: Whole;
  squares: Whole;
  wide: number;
  least: Whole | null;
  largest: Whole | null;
  /** Newest first. */
  newest: { readonly stamp: Newest; readonly value: Whole }[];
  distinct: StoredWhole[];
}

function stored(of: Mutable): OperandAggregate {
  const [newest, ...others] = of.newest.map(({ stamp }) => stamp);
  const first = [
    of.count,
    storedWhole(of.sum),
    storedWhole(of.squares),
    of.wide,
    of.least === null ? null : storedValue(of.least),
    of.largest === null ? null : storedValue(of.largest),
    newest ?? null,
    of.distinct,
  ] as const;
  return others.length === 0 ? first : [...first, others];
}

function nothing(): Mutable {
  return {
    count: 0,
    sum: 0,
    squares: 0,
    wide: 0,
    least: null,
    largest: null,
    newest: [],
    distinct: [],
  };
}

function addCell(
  into: Mutable,
  needs: Needs,
  value: Whole,
  cell: Exclude<EventCell, null>,
  newest: Newest,
): void {
  if (needs.sums && cell !== smallest) {
    into.count += 1;
    into.sum = plus(into.sum, value);
  }
  if (needs.squares && cell !== smallest) {
    const isWide = value > widest || value < -widest;
    if (isWide) into.wide += 1;
    else into.squares = plus(into.squares, square(value));
  }
  if (needs.least) into.least = least(into.least, value);
  if (needs.largest) into.largest = largest(into.largest, value);
  if (needs.newest > 0) addNewest(into, newest, value, needs.newest);
  if (needs.distinct > 0) addDistinct(into, cell, needs.distinct);
}

function least(known: Whole | null, value: Whole): Whole {
  return known === null || value < known ? value : known;
}

function largest(known: Whole | null, value: Whole): Whole {
  return known === null || value > known ? value : known;
}

/** By event time, then availability; of equal ones the larger value, so that no order of arrival decides (F27). */
function addNewest({ newest }: Mutable, stamp: Newest, value: Whole, most: number): void {
  let at = newest.length;
  for (let known = newest[at - 1]; known && isNewer(stamp, value, known); known = newest[at - 1]) at -= 1;
  if (at >= most) return;
  newest.splice(at, 0, { stamp, value });
  if (newest.length > most) newest.pop();
}

function isNewer(stamp: Newest, value: Whole, known: Mutable["newest"][number]): boolean {
  const order = stamp[0] - known.stamp[0] || stamp[1] - known.stamp[1];
  return order > 0 || (order === 0 && value > known.value);
}

/** The first in their order, so that which ones are kept of too many does not depend on who came first. */
function addDistinct(into: Mutable, cell: StoredWhole, most: number): void {
  const { distinct } = into;
  let low = 0;
  let high = distinct.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareCells(distinct[middle] ?? cell, cell) < 0) low = middle + 1;
    else high = middle;
  }
  if (distinct[low] === cell || low >= most) return;
  distinct.splice(low, 0, cell);
  if (distinct.length > most) distinct.pop();
}

/** Any total order will do; texts by code units. */
function compareCells(one: StoredWhole, other: StoredWhole): number {
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : Number(one > other);
}

function storedValue(value: Whole): StoredWhole {
  return typeof value === "bigint" ? storedWhole(value) : value;
}
