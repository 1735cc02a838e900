import { allocateWhole } from "@portolan/kernel";

export const dayMicros = 86_400_000_000;

/** A sum of usage that lies evenly in a stretch of time. */
export interface SpreadUsage {
  readonly quantity: bigint;
  readonly start: number;
  readonly end: number;
}

/** Whole steps of time, the first of which begins at `from`. */
export interface TimeSteps {
  readonly from: number;
  readonly count: number;
  readonly stepMicros: number;
}

/** Quantities by whole days of UTC, the first of which begins at `from`. Pure. */
export function dailyQuantities(usage: readonly SpreadUsage[], from: number, days: number): bigint[] {
  return quantitiesByStep(usage, { from, count: days, stepMicros: dayMicros });
}

/**
 * Quantities by steps of time. What takes longer than a step is spread over its time in whole parts, so that a line of a whole month is no peak on its
 * first day; what lies outside is left out. Pure.
 */
export function quantitiesByStep(
  usage: readonly SpreadUsage[],
  { from, count, stepMicros }: TimeSteps,
): bigint[] {
  const quantities = Array.from({ length: count }, () => 0n);
  const add = (step: number, quantity: bigint): void => {
    const before = quantities[step];
    if (before !== undefined) quantities[step] = before + quantity;
  };
  for (const { quantity, start, end } of usage) {
    const first = Math.floor((start - from) / stepMicros);
    const last = end > start ? Math.floor((end - 1 - from) / stepMicros) : first;
    if (first === last) {
      add(first, quantity);
      continue;
    }
    const pieces = Array.from({ length: last - first + 1 }, (_, index) => {
      const step = from + (first + index) * stepMicros;
      return BigInt(Math.min(end, step + stepMicros) - Math.max(start, step));
    });
    for (const [index, part] of allocateWhole(quantity, pieces).entries()) add(first + index, part);
  }
  return quantities;
}
