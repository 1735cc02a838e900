import type { DriftPart } from "@portolan/monitoring/contract";

/** A part before it is written down: its counts take four bytes each. */
export type CountedPart = Omit<DriftPart, "counts"> & { readonly counts: Uint32Array };

/** Bytes of everything but the counts, roughly. */
const overheadBytes = 256;
/** What one cell holds at most: a part that would go beyond is not added to. */
const mostRows = 2 ** 32 - 1;

/** Bytes that counts of so many cells take in memory. */
export function bytesOfCells(cells: number): number {
  return overheadBytes + cells * Uint32Array.BYTES_PER_ELEMENT;
}

/** Two parts may be added up exactly when they have one key. */
export function keyOfPart({ rows: _rows, counts: _counts, ...key }: CountedPart): string {
  return JSON.stringify(Object.values(key));
}

/** Both in one, or `undefined` when that is more than a cell holds. The first one's counts are changed. */
export function addedUp(to: CountedPart, part: CountedPart): CountedPart | undefined {
  const rows = to.rows + part.rows;
  if (rows > mostRows) return undefined;
  part.counts.forEach((count, cell) => (to.counts[cell] = (to.counts[cell] ?? 0) + count));
  return { ...to, rows };
}
