import { cellCount, numericCell, padBounds } from "../cells.ts";
import type { LabelledCase } from "../performance/judge-performance.ts";
import { performancePolicy } from "../performance/performance-policy.ts";
import type { NumericColumn, ProfiledColumn, ReferenceProfile } from "../profile-schema.ts";
import type { Outcomes } from "./estimate-metrics.ts";

/** The column of a profile that holds what a version's answers are judged by. */
export interface ScoreColumn {
  readonly profile: string;
  readonly column: NumericColumn;
  /** Where its counts begin among those of a window. */
  readonly offset: number;
}

/**
 * The last output of a profile whose values are probabilities of more than two kinds: where answers say a class and its probability, the latter.
 *
 * @param digest of the profile
 * @returns undefined where there is none
 */
export function scoreColumn(digest: string, profile: ReferenceProfile): ScoreColumn | undefined {
  let offset = 0;
  let found: ScoreColumn | undefined;
  for (const column of profile.inputs) offset += cellCount(column);
  for (const column of profile.outputs) {
    if (isProbability(column)) found = { profile: digest, column, offset };
    offset += cellCount(column);
  }
  return found;
}

function isProbability(column: ProfiledColumn): column is NumericColumn {
  if (column.kind !== "numeric" || column.maximum === null) return false;
  return column.lowerBounds.length > 2 && (column.lowerBounds[0] ?? -1) >= 0 && column.maximum <= 1;
}

/** Places of the cells within the reference's ends, in the order of their scores. */
export function rangeOf({ column }: ScoreColumn): { readonly from: number; readonly to: number } {
  return { from: 1, to: 1 + column.lowerBounds.length };
}

/** What became of labelled answers, by the cell of their score. */
export function outcomesByCell({ column }: ScoreColumn, cases: readonly LabelledCase[]): Outcomes[] {
  const cells = Array.from({ length: cellCount(column) }, () => ({
    truePositives: 0,
    falsePositives: 0,
    trueNegatives: 0,
    falseNegatives: 0,
  }));
  const bounds = padBounds(column.lowerBounds);
  const maximum = column.maximum ?? Number.NEGATIVE_INFINITY;
  for (const { said = Number.NaN, happened } of cases) {
    const cell = cells[numericCell(bounds, 0, column.lowerBounds.length, maximum, said)];
    const isYes = said >= performancePolicy.threshold;
    if (!cell) continue;
    if (happened === 1) cell[isYes ? "truePositives" : "falseNegatives"] += 1;
    else cell[isYes ? "falsePositives" : "trueNegatives"] += 1;
  }
  return cells;
}
