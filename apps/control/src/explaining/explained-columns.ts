import type { ExplainedRow } from "@portolan/evaluation";

export type RowExplanation = Omit<ExplainedRow, "reproduced" | "decided">;

export interface ColumnsAsked {
  /** Contributions that are listed. */
  readonly top: number;
  /** Columns that the nearest change leaves alone. */
  readonly fixed: readonly string[];
}

/** The contributions of a row's columns, the largest first, in numbers and in words; and the sum of those that are not listed. */
export function contributionsOf(
  columns: readonly string[],
  row: ArrayLike<number>,
  contribution: (column: number) => number,
  unit: RowExplanation["unit"],
  top: number,
): Pick<RowExplanation, "contributions" | "othersContribution"> {
  const all = columns.map((column, at) => {
    const value = Number.isNaN(row[at]) ? null : (row[at] ?? null);
    const by = contribution(at);
    return { column, value, contribution: by, reason: reasonOf(column, value, by, unit) };
  });
  const sorted = all.toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  return {
    contributions: sorted.slice(0, top),
    othersContribution: sorted.slice(top).reduce((sum, one) => sum + one.contribution, 0),
  };
}

function reasonOf(
  column: string,
  value: number | null,
  contribution: number,
  unit: RowExplanation["unit"],
): string {
  const said =
    value === null ? `${column} is absent` : `${column} is ${String(Number(value.toPrecision(6)))}`;
  if (contribution === 0) return `${said}, which changes nothing`;
  const by = Number(Math.abs(contribution).toPrecision(3));
  const what = unit === "log_odds" ? "the log odds" : "the score";
  return `${said}, which ${contribution > 0 ? "raises" : "lowers"} ${what} by ${by}`;
}
