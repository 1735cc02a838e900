import { allocateWhole } from "@portolan/kernel";

export const dayMicros = 86_400_000_000;

/** A sum of usage that lies evenly in a stretch of time. */
export interface SpreadUsage {
  readonly quantity: bigint;
  readonly start: number;
  readonly end: number;
}

/**
 * Quantities by whole days of UTC, the first of which begins at `from`. What takes longer than a day is spread over its time in whole parts, so that a
 * line of a whole month is no peak on its first day; what lies outside is left out. Pure.
 */
export function dailyQuantities(usage: readonly SpreadUsage[], from: number, days: number): bigint[] {
  const quantities = Array.from({ length: days }, () => 0n);
  const add = (day: number, quantity: bigint): void => {
    const before = quantities[day];
    if (before !== undefined) quantities[day] = before + quantity;
  };
  for (const { quantity, start, end } of usage) {
    const first = Math.floor((start - from) / dayMicros);
    const last = end > start ? Math.floor((end - 1 - from) / dayMicros) : first;
    if (first === last) {
      add(first, quantity);
      continue;
    }
    const pieces = Array.from({ length: last - first + 1 }, (_, index) => {
      const day = from + (first + index) * dayMicros;
      return BigInt(Math.min(end, day + dayMicros) - Math.max(start, day));
    });
    for (const [index, part] of allocateWhole(quantity, pieces).entries()) add(first + index, part);
  }
  return quantities;
}
