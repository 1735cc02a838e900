import type { AnalysisStatement } from "../analysis.ts";

/** How well people hide among those who look like them in the columns that others may know (quasi-identifiers). */
export interface Anonymity {
  readonly quasi: readonly string[];
  /** Rows in the smallest group: the k of k-anonymity; absent where there are no rows. */
  readonly k?: number;
  readonly groups: number;
  /** Rows that are alone. */
  readonly unique: number;
  /** Rows in groups of fewer than `least`. */
  readonly exposed: number;
  readonly least: number;
  readonly rows: number;
}

/** @param quasi SQL of each quasi-identifier */
export function anonymityStatement(
  relation: string,
  quasi: readonly string[],
  least: number,
): AnalysisStatement {
  const groups = quasi.length === 0 ? "" : `group by ${quasi.join(", ")}`;
  return {
    sql: `select min(size) as k, count(*) as groups, coalesce(sum(size) filter (size = 1), 0)::bigint as unique_rows,
      coalesce(sum(size) filter (size < ${least}), 0)::bigint as exposed, coalesce(sum(size), 0)::bigint as row_count
      from (select count(*) as size from ${relation} ${groups}) where size > 0`,
    returns: "anonymity",
    note: "k-anonymity",
  };
}

/** Columns that others may know of a person: what was coarsened, and what by its name says who somebody is. */
const quasiNames =
  /(^|[_\s.[\]])(sex|gender|race|ethnicity|ethnic|marital|religion|occupation|education|nationality|language|state|age|birth)([_\s[\]]|$)/i;

export function isQuasi(column: string): boolean {
  return quasiNames.test(column.replaceAll(/([a-z\d])([A-Z])/g, "$1_$2"));
}
