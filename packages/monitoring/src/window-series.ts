import type { CountedSeries, StoredWindow } from "./window-store.ts";

/** How much one answer adds up. */
export interface ReadingBounds {
  readonly windows: number;
  /** Counts, over all windows. */
  readonly cells: number;
}

/** What tells series apart. */
export function seriesKey(of: CountedSeries): string {
  const { environment, useCaseId, endpointId, variant, model, version, profile } = of;
  return JSON.stringify([environment, useCaseId, endpointId, variant, model, version, profile]);
}

/** The newest windows that one answer adds up, whole starts of windows only: every series is covered over the same stretch. */
export function newestWithin(newestFirst: readonly StoredWindow[], most: ReadingBounds) {
  const windows: StoredWindow[] = [];
  let cells = 0;
  for (const [, same] of Map.groupBy(newestFirst, ({ windowStart }) => windowStart)) {
    cells += same.reduce((sum, window) => sum + window.cells, 0);
    const isTooMuch = windows.length + same.length > most.windows || cells > most.cells;
    if (isTooMuch && windows.length > 0) break;
    windows.push(...same);
  }
  const from = windows.at(-1)?.windowStart;
  return { windows, truncated: windows.length < newestFirst.length, from };
}
