import { money, parseBytes } from "@portolan/kernel";
import type { Cost, Quantity } from "@portolan/planner/contract";
import { badUsage } from "./read-input.ts";

// Figures of the command line that nobody knows exactly.

/** For the help of an option. */
export const range = "; LOW..EXPECTED..HIGH, or one figure";

function rangeOf(option: string, text: string): readonly [string, string, string] {
  const parts = text.split("..");
  const [low = "", expected = low, high = expected] = parts;
  if (parts.length === 1 || parts.length === 3) return [low, expected, high];
  throw badUsage(
    `${option} ${JSON.stringify(text.slice(0, 40))} is no range`,
    "Say one figure, or LOW..EXPECTED..HIGH.",
  );
}

/** LOW..EXPECTED..HIGH, or one figure. */
export function quantityOf(option: string, text: string, least: number, most: number): Quantity {
  const [low, expected, high] = rangeOf(option, text).map((one) => numberIn(option, one, least, most));
  return ordered(option, { low: low ?? 0, expected: expected ?? 0, high: high ?? 0 }, (a, b) => a - b);
}

/** The same of sizes, in bytes. */
export function sizeOf(option: string, text: string): Quantity {
  const [low, expected, high] = rangeOf(option, text).map((one) => bytesIn(option, one));
  return ordered(option, { low: low ?? 0, expected: expected ?? 0, high: high ?? 0 }, (a, b) => a - b);
}

function bytesIn(option: string, text: string): number {
  try {
    const bytes = parseBytes(text);
    if (bytes > 0) return bytes;
  } catch {
    // Said below, with the option.
  }
  throw badUsage(`${option} ${JSON.stringify(text.slice(0, 40))} is no size`, "Say 110kB, 8MB or 2TB.");
}

/** The same of amounts of money. */
export function costOf(option: string, text: string, currency: string): Cost {
  const [low, expected, high] = rangeOf(option, text);
  if ([low, expected, high].some((one) => !/^\d{1,12}(\.\d{1,9})?$/.test(one)))
    throw badUsage(
      `${option} ${JSON.stringify(text.slice(0, 40))} is no amount`,
      `Say ${option} 35000, or 30000..35000..40000.`,
    );
  const cost = {
    low: money(low, currency),
    expected: money(expected, currency),
    high: money(high, currency),
  };
  return ordered(option, cost, (a, b) => (a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0));
}

function ordered<T>(
  option: string,
  of: { readonly low: T; readonly expected: T; readonly high: T },
  compare: (a: T, b: T) => number,
): { readonly low: T; readonly expected: T; readonly high: T } {
  if (compare(of.low, of.expected) <= 0 && compare(of.expected, of.high) <= 0) return of;
  throw badUsage(`${option} is not in order`, "Say the least figure first: LOW..EXPECTED..HIGH.");
}

export function numberIn(option: string, text: string, least: number, most: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw badUsage(
    `${option}: ${JSON.stringify(text.slice(0, 40))} is no number of ${least} to ${most}`,
    "See the examples of the command's --help.",
  );
}

export function wholeIn(option: string, text: string, least: number, most: number): number {
  const value = numberIn(option, text, least, most);
  if (Number.isInteger(value)) return value;
  throw badUsage(`${option} ${text} is no whole number`, "See the examples of the command's --help.");
}
