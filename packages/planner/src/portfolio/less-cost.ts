import { addMoney, type Money } from "@portolan/kernel";
import type { Cost } from "../range.ts";

/** Case by case. */
export function lessCost(a: Cost, b: Cost): Cost {
  const of = (one: Money, other: Money): Money => addMoney(one, { ...other, nanos: -other.nanos });
  return { low: of(a.low, b.low), expected: of(a.expected, b.expected), high: of(a.high, b.high) };
}
