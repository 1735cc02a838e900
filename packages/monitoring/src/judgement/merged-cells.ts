import { totalCount } from "@portolan/numerics";
import type { ProfiledColumn } from "../profile-schema.ts";

/** Pearson's approximation holds from about so many expected cases a cell on, in the smaller of both samples. */
const leastExpected = 5;
/** What is rare anywhere keeps its one common cell from here on: new levels and gaps are what drift often is. */
const leastRareExpected = 1;

/** Two histograms over the same groups of cells. */
export interface MergedCells {
  readonly reference: readonly number[];
  readonly now: readonly number[];
}

interface Group {
  reference: number;
  now: number;
}

/**
 * Joins cells with too few cases for a χ² test. Ranges, and levels in the order of their frequency, go together with their neighbour;
 * what is apart from the reference's values (below, above, null, NaN, infinite, other levels) stands alone where it has enough, and is one group where
 * it has not. Decided by the sums of both samples only, on which the test is conditional.
 */
export function mergeCells(column: ProfiledColumn, now: readonly number[]): MergedCells {
  const reference = column.counts;
  const [n, m] = [totalCount(reference), totalCount(now)];
  const expected = (group: Group): number => ((group.reference + group.now) * Math.min(n, m)) / (n + m);
  const cell = (at: number): Group => ({ reference: reference[at] ?? 0, now: now[at] ?? 0 });
  const [first, end] =
    column.kind === "numeric" ? [1, 1 + column.lowerBounds.length] : [0, column.levels.length];

  const groups: Group[] = [];
  let open: Group = { reference: 0, now: 0 };
  for (let at = first; at < end; at++) {
    open = joined(open, cell(at));
    if (expected(open) < leastExpected) continue;
    groups.push(open);
    open = { reference: 0, now: 0 };
  }
  join(groups, open);

  const apart = reference.map((_, at) => at).filter((at) => at < first || at >= end);
  const alone = apart.map(cell).filter((group) => expected(group) >= leastExpected);
  const rare = apart.map(cell).filter((group) => expected(group) < leastExpected);
  const pool = rare.reduce(joined, { reference: 0, now: 0 });
  if (expected(pool) >= leastRareExpected) groups.push(pool);
  else join(groups, pool);
  groups.push(...alone);
  return { reference: groups.map((group) => group.reference), now: groups.map((group) => group.now) };
}

/** Into the last group; alone where there is none. */
function join(groups: Group[], group: Group): void {
  if (group.reference + group.now === 0) return;
  const last = groups.pop();
  groups.push(last ? joined(last, group) : group);
}

function joined(a: Group, b: Group): Group {
  return { reference: a.reference + b.reference, now: a.now + b.now };
}
