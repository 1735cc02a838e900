import type { SupportFloor } from "@portolan/charter/contract";

/** Rows that a slice of quantities, or queries that one of rankings needs where the charter is silent. */
const defaultRows = 30;

/** How many rows of quantities, or queries of rankings, a slice needs to be judged. Pure. */
export function leastSliceRows({ rows = defaultRows }: SupportFloor): number {
  return rows;
}
