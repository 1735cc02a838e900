import {
  benjaminiHochbergAdjusted,
  chiSquaredContingency,
  populationStability,
  type StabilityResult,
  totalCount,
} from "@portolan/numerics";
import type { ProfiledColumn } from "../profile-schema.ts";
import { type CheckedShare, checkShares } from "./checks.ts";
import { mergeCells } from "./merged-cells.ts";
import { driftPolicy } from "./policy.ts";

/** A column of a reference and what was counted into its cells. */
export interface ColumnCounts {
  readonly column: ProfiledColumn;
  readonly counts: readonly number[];
}

/** What one window says of one column. */
export interface ColumnFinding {
  /** Rows counted in the column. */
  readonly rows: number;
  /** Absent with too few rows. */
  readonly judged?: JudgedColumn;
}

export interface JudgedColumn {
  /** Two-sample χ² over the cells, those with few cases joined. */
  readonly chiSquared: number;
  readonly dof: number;
  readonly p: number;
  /** p after Benjamini and Hochberg over all columns of the window. */
  readonly adjusted: number;
  readonly stability: StabilityResult;
  readonly differs: boolean;
  readonly checks: readonly JudgedShare[];
}

export interface JudgedShare extends CheckedShare {
  /** p after Benjamini and Hochberg over all shares of the window. */
  readonly adjusted: number;
  readonly differs: boolean;
}

/**
 * Tests every column of a window against its reference, all of them as one family; the shares of absent, outside and unseen values are a
 * second one. A column differs where the test says so after correction and the effect is worth a look: a test alone calls everything
 * different once a window is large, an effect alone once it is small.
 */
export function judgeWindow(columns: readonly ColumnCounts[]): ColumnFinding[] {
  const tested = columns.map(testColumn);
  const adjusted = benjaminiHochbergAdjusted(tested.flatMap(({ test }) => (test ? [test.p] : [])));
  const adjustedShares = benjaminiHochbergAdjusted(
    tested.flatMap(({ test }) => test?.shares.map(({ p }) => p) ?? []),
  );
  const { falseDiscoveryRate, leastPsi, leastGrowth } = driftPolicy;
  let [at, share] = [0, 0];
  return tested.map(({ rows, test }) => {
    if (!test) return { rows };
    const { shares, stability, ...one } = test;
    const ofColumn = adjusted[at++] ?? 1;
    const checks = shares.map((checked) => {
      const ofShare = adjustedShares[share++] ?? 1;
      const grown = checked.now - checked.reference;
      return {
        ...checked,
        adjusted: ofShare,
        differs: ofShare <= falseDiscoveryRate && grown >= leastGrowth,
      };
    });
    const differs = ofColumn <= falseDiscoveryRate && stability.debiased > leastPsi;
    return { rows, judged: { ...one, adjusted: ofColumn, stability, differs, checks } };
  });
}

interface Tested {
  readonly rows: number;
  readonly test?: {
    readonly chiSquared: number;
    readonly dof: number;
    readonly p: number;
    readonly stability: StabilityResult;
    readonly shares: readonly CheckedShare[];
  };
}

function testColumn({ column, counts }: ColumnCounts): Tested {
  const rows = totalCount(counts);
  if (rows < driftPolicy.leastRows) return { rows };
  const { reference, now } = mergeCells(column, counts);
  const { statistic: chiSquared, dof, p } = chiSquaredContingency([reference, now]);
  const stability = populationStability(counts, column.counts);
  return { rows, test: { chiSquared, dof, p, stability, shares: checkShares(column, counts) } };
}
