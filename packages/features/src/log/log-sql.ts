import { quoteName, quoteText } from "@portolan/expressions";
import type { ValueView } from "../view-model.ts";

/** Key columns of a log's segments: text, in the view's key order; an integer is its decimal form (F11). */
export function keyColumns({ entity }: Pick<ValueView, "entity">): string[] {
  return entity.map((_, index) => `k${index}`);
}

/** Value columns of a log's segments, in the order of the view's features. */
export function valueColumns({ values }: Pick<ValueView, "values">): string[] {
  return values.map((_, index) => `v${index}`);
}

/** The relation of all records in these segments (Parquet files). */
export function segmentsRelation(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteText).join(", ")}])`;
}

/**
 * The records that win at some moment: per entity, whoever has the greatest (event, available, sequence) among all that were available no
 * later. In the order of availability, event and sequence that is the last of those that became available together, when no earlier one
 * has a later event; one pass over plain integers, twice as fast as a running maximum of the three. Per entity no two winners have the same
 * availability.
 */
export function winnersSql(view: ValueView, records: string): string {
  const keys = keyColumns(view).join(", ");
  return `select * exclude (newest, next) from (
    select *, max(event) over entity as newest, lead(available) over entity as next
    from ${records} window entity as (partition by ${keys} order by available, event, sequence)
  ) where event = newest and next is distinct from available`;
}

/** Equality of a relation's key columns with those of the log `l`. */
export function sameKey(view: ValueView, columns: readonly string[], table: string): string {
  return keyColumns(view)
    .map((key, index) => `cast(${table}.${quoteName(columns[index] ?? key)} as varchar) = l.${key}`)
    .join(" and ");
}
