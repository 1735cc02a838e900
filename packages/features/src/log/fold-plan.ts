import type { AnalysisRow, AnalysisStatement } from "@portolan/data/contract";
import { quoteText } from "@portolan/expressions";
import { type FeatureValue, textCell } from "../feature-value.ts";
import type { OnlineRecord } from "../ports.ts";
import type { LogView, ValueFeature, ValueView } from "../view-model.ts";
import { keyColumns, segmentsRelation, valueColumns, winnersSql } from "./log-sql.ts";

export interface FoldPlanInput<View extends LogView = ValueView> {
  readonly view: View;
  /** Local Parquet files of the segments that may hold newer records. */
  readonly segments: readonly string[];
  /** Sequence up to which the log is folded already. */
  readonly after: number;
  /** Moments before this one are not asked for (epoch microseconds). */
  readonly exactFrom: number;
  /** The newest availability up to this moment is counted as `newest` (epoch microseconds). */
  readonly newestUntil: number;
  /** Parquet file to write: what `foldPage` reads. */
  readonly output: string;
}

/** What is left to fold, entity by entity: records that can win at some T ≥ `exactFrom` among the new ones alone. Result: `counts`. */
export function foldStatements({
  view,
  segments,
  after,
  exactFrom,
  newestUntil,
  output,
}: FoldPlanInput): AnalysisStatement[] {
  const keys = keyColumns(view).join(", ");
  const fresh = `(select * from ${segmentsRelation(segments)} where sequence > ${after})`;
  return [
    {
      sql: `create table news as select *, row_number() over (order by ${keys}, available) as n from (
        ${winnersSql(view, fresh)}
        qualify coalesce(lead(available) over (partition by ${keys} order by available) > ${exactFrom}, true)
      )`,
      note: `new records of ${view.name}`,
    },
    { sql: `copy (select * from news order by n) to ${quoteText(output)} (format parquet)` },
    {
      sql: `select count(*) as records, count(distinct (${keys})) as entities, max(available) filter (available <= ${newestUntil}) as newest from news`,
      returns: "counts",
    },
  ];
}

/** Rows `from` < n ≤ `to` of what `foldStatements` wrote. Result: `page`. */
export function foldPage(view: ValueView, file: string, from: number, to: number): AnalysisStatement {
  const columns = ["event", "available", "sequence", "tombstone", ...keyColumns(view), ...valueColumns(view)];
  return {
    sql: `select ${columns.join(", ")} from read_parquet(${quoteText(file)}) where n > ${from} and n <= ${to} order by n`,
    returns: "page",
  };
}

/** A row of `foldPage`: 64-bit integers are text there, and become the double that a model reads. */
export function onlineRecord(view: ValueView, row: AnalysisRow): OnlineRecord {
  return {
    key: keyColumns(view).map((name) => String(row[name])),
    record: {
      event: Number(row["event"]),
      available: Number(row["available"]),
      sequence: Number(row["sequence"]),
      isTombstone: row["tombstone"] === true,
      values: valueColumns(view).map((name, index) => valueCell(view.values[index], row[name])),
    },
  };
}

/** A value of a result row; only its feature tells a text from an integer of 64 bits. */
export function valueCell(feature: ValueFeature | undefined, value: unknown): FeatureValue {
  return feature?.value.type === "text" ? textCell(value) : numberCell(value);
}

/** A number of a result row, or null. */
export function numberCell(value: unknown): number | null {
  if (typeof value === "number") return value;
  return typeof value === "string" ? Number(value) : null;
}
