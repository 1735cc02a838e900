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
 * later. One pass over each entity's records in the order of their availability. Per entity no two have the same availability.
 */
export function winnersSql(view: ValueView, records: string): string {
  const keys = keyColumns(view).join(", ");
  return `select * exclude (best) from (
    select *, max(struct_pack(event := event, available := available, sequence := sequence))
      over (partition by ${keys} order by available) as best
    from ${records}
  ) where best.sequence = sequence`;
}

/** Equality of a relation's key columns with those of the log `l`. */
export function sameKey(view: ValueView, columns: readonly string[], table: string): string {
  return keyColumns(view)
    .map((key, index) => `cast(${table}.${quoteName(columns[index] ?? key)} as varchar) = l.${key}`)
    .join(" and ");
}
