import { addMoney, type Currency, type Money, multiplyMoney, zeroMoney } from "@portolan/kernel";

/** A figure that nobody knows exactly: never a single number. */
export interface Range<T> {
  readonly low: T;
  readonly expected: T;
  readonly high: T;
}

export type Quantity = Range<number>;
export type Cost = Range<Money>;

export function exactly(value: number): Quantity {
  return { low: value, expected: value, high: value };
}

export function mapRange<A, B>(
  range: Range<A>,
  work: (value: A, which: "low" | "expected" | "high") => B,
): Range<B> {
  return {
    low: work(range.low, "low"),
    expected: work(range.expected, "expected"),
    high: work(range.high, "high"),
  };
}

/** Case by case: low with low, high with high. */
export function combine(a: Quantity, b: Quantity, work: (a: number, b: number) => number): Quantity {
  return mapRange(a, (value, which) => work(value, b[which]));
}

export function times(a: Quantity, b: Quantity | number): Quantity {
  return combine(a, typeof b === "number" ? exactly(b) : b, (x, y) => x * y);
}

export function noCost(currency: Currency): Cost {
  return { low: zeroMoney(currency), expected: zeroMoney(currency), high: zeroMoney(currency) };
}

/** The exact sum of the lines, case by case. */
export function sumCosts(costs: readonly Cost[], currency: Currency): Cost {
  return costs.reduce(
    (sum, cost) => mapRange(sum, (value, which) => addMoney(value, cost[which])),
    noCost(currency),
  );
}

const millionths = 1_000_000n;

/**
 * Price times quantity, exact from here on: the quantity, an estimate, is first rounded to millionths, so that a reader
 * can recompute every line from what is printed.
 */
export function costOf(price: Cost, quantity: Quantity): Cost {
  return mapRange(price, (value, which) => multiplyMoney(value, toMillionths(quantity[which]), millionths));
}

export function toMillionths(quantity: number): bigint {
  return BigInt(Math.round(quantity * 1e6));
}
