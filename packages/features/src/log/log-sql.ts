import { quoteName, quoteText, toDuckDbSql } from "@portolan/expressions";
import { isEventView, type LogView, type ValueView } from "../view-model.ts";
import { availableSql } from "../windows/events-sql.ts";

/** Key columns of a log's segments: text, in the view's key order; an integer is its decimal form (F11). */
export function keyColumns({ entity }: Pick<LogView, "entity">): string[] {
  return entity.map((_, index) => `k${index}`);
}

/** Column of what a log keeps at a place: of a view's values, or of what its windows aggregate. */
export function valueColumn(index: number): string {
  return `v${index}`;
}

/** Value columns of a log's segments, in the order of the view's features. */
export function valueColumns({ values }: Pick<ValueView, "values">): string[] {
  return values.map((_, index) => valueColumn(index));
}

/** Instants are exact in a double up to here (kernel, `EpochMicros`). */
const lastInstant = Number.MAX_SAFE_INTEGER;

/**
 * A dataset's rows as records of a log: keys as text, `event`, `available`, `tombstone`, and more columns; what has no key, no event time or no
 * availability is none (F3, F2). A tombstone of a view of windows names an event, and needs no key.
 *
 * @param conditions what a record fulfils beside
 */
export function recordRowsSql(
  view: LogView,
  dataset: string,
  columns: readonly string[],
  conditions: readonly string[] = [],
): string {
  const keys = view.entity.map(({ column }, index) => `cast(${quoteName(column)} as varchar) as k${index}`);
  const event = quoteName(view.eventTime);
  const available = toDuckDbSql(view.available);
  const isKeyed = view.entity.map((_, index) => `k${index} is not null`).join(" and ");
  const isRecord = [
    isEventView(view) ? `(tombstone or (${isKeyed}))` : isKeyed,
    `event between ${-lastInstant} and ${lastInstant}`,
    `available <= ${lastInstant}`,
    ...conditions,
  ];
  return `select * from (
    select _row, ${keys.join(", ")}, ${event} as event, ${availableSql(event, available)} as available,
      ${tombstoneSql(view)} as tombstone, ${columns.join(", ")}
    from read_parquet(${quoteText(dataset)})
  ) where ${isRecord.join(" and ")}`;
}

/**
 * How many rows of a dataset are no record of the log: `without_key` lack a key of the entity that they need, `left_out` are all of them.
 *
 * @param records query of the rows that are
 */
export function leftOutSql(view: LogView, dataset: string, records: string): string {
  const isKeyless = view.entity.map(({ column }) => `${quoteName(column)} is null`).join(" or ");
  const needsKey = isEventView(view) ? `not ${tombstoneSql(view)} and ` : "";
  const rows = `read_parquet(${quoteText(dataset)})`;
  return `(select count(*) from ${rows} where ${needsKey}(${isKeyless})) as without_key,
    (select count(*) from ${rows}) - (select count(*) from (${records})) as left_out`;
}

/** Whether a row withdraws; null is false. */
export function tombstoneSql({ tombstone }: LogView): string {
  return tombstone ? `coalesce((${toDuckDbSql(tombstone)}), false)` : "false";
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
