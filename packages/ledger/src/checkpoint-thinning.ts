const hourMicros = 3_600_000_000;
const dayMicros = 24 * hourMicros;
const monthMicros = 31 * dayMicros;

/** Of checkpoints signed before `before`, the last of each `every` and key stays. Epoch microseconds. */
export interface ThinningRule {
  readonly before: number;
  readonly every: number;
}

/**
 * Which checkpoints are kept (spec L15): all of the last day, then the last of each hour, after 31 days the last of each
 * day; and of each key at least one, so that whoever kept an older note can still have it verified. Pure. Periods are
 * whole ones of the calendar in UTC, so that one that was thinned is not thinned again.
 */
export function thinningRules(now: number): readonly ThinningRule[] {
  return [
    { before: wholeHours(now - dayMicros), every: hourMicros },
    { before: wholeDays(now - monthMicros), every: dayMicros },
  ];
}

/** How often it is worth looking: an hour's checkpoints come of age at once. */
export const thinningIntervalMicros = hourMicros;

function wholeHours(micros: number): number {
  return Math.floor(micros / hourMicros) * hourMicros;
}

function wholeDays(micros: number): number {
  return Math.floor(micros / dayMicros) * dayMicros;
}
