import { driftPolicy } from "./policy.ts";

/** What was counted in one stored window, whatever part of the requests was. */
export interface CountedWindow {
  /** Epoch microseconds. */
  readonly start: number;
  /** Rows that were counted; not the ones that came. */
  readonly rows: number;
  /** Per cell of all columns, inputs first. */
  readonly counts: readonly number[];
}

/** Stored windows that are judged as one. */
export interface JudgedWindow extends CountedWindow {
  /** Start of the last stored window in it. */
  readonly lastStart: number;
}

/** The whole hour that an instant lies in. */
export function hourOf(start: number): number {
  return Math.floor(start / driftPolicy.windowMicros) * driftPolicy.windowMicros;
}

/**
 * Joins windows until they have `windowRows` rows, within whole hours of event time: the same hours are joined in the same way whatever
 * stretch is asked for. The last of an hour may be short.
 *
 * @param windows in any order; several of one start are added up
 * @returns oldest first
 */
export function joinWindows(windows: readonly CountedWindow[]): JudgedWindow[] {
  const joined: JudgedWindow[] = [];
  let open: { start: number; lastStart: number; rows: number; counts: number[] } | undefined;
  for (const { start, rows, counts } of windows.toSorted((a, b) => a.start - b.start)) {
    const isSame = start === open?.lastStart;
    const isFull = (open?.rows ?? 0) >= driftPolicy.windowRows && !isSame;
    if (!open || isFull || hourOf(start) !== hourOf(open.start)) {
      if (open) joined.push(open);
      open = { start, lastStart: start, rows, counts: [...counts] };
      continue;
    }
    open.lastStart = start;
    open.rows += rows;
    for (const [cell, count] of counts.entries()) open.counts[cell] = (open.counts[cell] ?? 0) + count;
  }
  if (open) joined.push(open);
  return joined;
}
