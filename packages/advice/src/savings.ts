import {
  addMoney,
  compareMoney,
  formatMoney,
  type Money,
  multiplyMoney,
  subtractMoney,
  zeroMoney,
} from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";

export const hoursPerMonth = 730;
const millionths = 1_000_000n;
const bytesPerGb = 1e9;
const bytesPerGib = 2 ** 30;

/** Price times quantity; the quantity is rounded to millionths first, so that a reader can recompute it. */
export function priced(price: Cost | undefined, quantity: number): Cost | undefined {
  if (!price) return undefined;
  const parts = BigInt(Math.round(quantity * 1e6));
  const of = (one: Money): Money => multiplyMoney(one, parts, millionths);
  return { low: of(price.low), expected: of(price.expected), high: of(price.high) };
}

/** The exact sum; `undefined` where one of them has no price. */
export function sum(costs: readonly (Cost | undefined)[]): Cost | undefined {
  const [first, ...others] = costs;
  let total = first;
  for (const cost of others) total = total && cost && both(total, cost, addMoney);
  return total;
}

/** What is left of a cost; nothing is the least of it. */
export function less(cost: Cost | undefined, other: Cost | undefined): Cost | undefined {
  if (!cost || !other) return undefined;
  // The least saving is the low cost less the high one, and the other way round.
  const low = floor(subtractMoney(cost.low, other.high));
  const expected = atLeast(floor(subtractMoney(cost.expected, other.expected)), low);
  const high = atLeast(floor(subtractMoney(cost.high, other.low)), expected);
  return { low, expected, high };
}

/** A share of a cost, in all its cases. */
export function shareOf(cost: Cost | undefined, share: number): Cost | undefined {
  return priced(cost, Math.min(1, Math.max(0, share)));
}

/** Processors that are kept for something all month. */
export function coresKept(price: Cost | undefined, cores: number): Cost | undefined {
  return priced(price, cores * hoursPerMonth);
}

/** Memory that is kept for something all month. */
export function memoryKept(price: Cost | undefined, bytes: number): Cost | undefined {
  return priced(price, (bytes / bytesPerGib) * hoursPerMonth);
}

export function bytesStored(price: Cost | undefined, bytes: number): Cost | undefined {
  return priced(price, bytes / bytesPerGb);
}

export function costTexts({ low, expected, high }: Cost): { low: string; expected: string; high: string } {
  return { low: formatMoney(low), expected: formatMoney(expected), high: formatMoney(high) };
}

export function isWorthNothing({ expected }: Cost): boolean {
  return compareMoney(expected, zeroMoney(expected.currency)) <= 0;
}

function both(a: Cost, b: Cost, work: (x: Money, y: Money) => Money): Cost {
  return { low: work(a.low, b.low), expected: work(a.expected, b.expected), high: work(a.high, b.high) };
}

function floor(amount: Money): Money {
  return atLeast(amount, zeroMoney(amount.currency));
}

function atLeast(amount: Money, least: Money): Money {
  return compareMoney(amount, least) < 0 ? least : amount;
}
