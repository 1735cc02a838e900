import type { AnalysisRow, AnalysisStatement } from "@portolan/data/contract";
import { quoteText } from "@portolan/expressions";
import { loggedIdentity } from "../early/early-line.ts";
import type { FoldPlanInput } from "../log/fold-plan.ts";
import { keyColumns, segmentsRelation, valueColumn } from "../log/log-sql.ts";
import type { EventView } from "../view-model.ts";
import type { EventCell, EventRecord } from "./event-record.ts";
import { keptType, operandsOf } from "./operands.ts";

/** What is left to fold, entity by entity in the order of the log: lines that a window may reach from `exactFrom` on. Result: `counts`. */
export function eventFoldStatements({
  view,
  segments,
  after,
  exactFrom,
  newestUntil,
  output,
}: FoldPlanInput<EventView>): AnalysisStatement[] {
  const keys = keyColumns(view).join(", ");
  const longest = Math.max(...view.features.map(({ windowMicros }) => windowMicros));
  const fresh = `(select * from ${segmentsRelation(segments)} where sequence > ${after})`;
  // Where early events are online, all versions of an event have to be known that may yet speak: its tombstones, and those that moved out of reach.
  const isEarly = view.online === "accepted";
  const counts = isEarly ? "true" : "not tombstone";
  const reached = isEarly ? "available" : "event";
  return [
    {
      sql: `create table news as select *, row_number() over (order by ${keys}, sequence) as n from ${fresh}
        where ${counts} and ${reached} > ${exactFrom - longest}`,
      note: `new events of ${view.name}`,
    },
    { sql: `copy (select * from news order by n) to ${quoteText(output)} (format parquet)` },
    {
      sql: `select count(*) as records, count(distinct (${keys})) as entities,
        (select max(available) filter (available <= ${newestUntil}) from ${fresh}) as newest from news`,
      returns: "counts",
    },
  ];
}

/** Rows `from` < n ≤ `to` of what `eventFoldStatements` wrote. Result: `page`. */
export function eventFoldPage(view: EventView, file: string, from: number, to: number): AnalysisStatement {
  const values = operandsOf(view).map((_, index) => valueColumn(index));
  const named = view.online === "accepted" ? ["tombstone", "id"] : [];
  const columns = ["event", "available", "sequence", "withdraws", ...named, ...keyColumns(view), ...values];
  return {
    sql: `select ${columns.join(", ")} from read_parquet(${quoteText(file)}) where n > ${from} and n <= ${to} order by n`,
    returns: "page",
  };
}

/** A row of `eventFoldPage`. */
export function onlineEvent(
  view: EventView,
  row: AnalysisRow,
): { readonly key: string[]; readonly record: EventRecord; readonly id?: string } {
  const { withdraws, id } = row;
  return {
    ...(typeof id === "string" ? { id: loggedIdentity(view.identity.columns, id) } : {}),
    key: keyColumns(view).map((name) => String(row[name])),
    record: {
      event: Number(row["event"]),
      available: Number(row["available"]),
      sequence: Number(row["sequence"]),
      ...(withdraws === null || withdraws === undefined ? {} : { withdraws: Number(withdraws) }),
      ...(row["tombstone"] === true ? { isTombstone: true } : {}),
      values: operandsOf(view).map((of, index) => cellOf(keptType(of), row[valueColumn(index)])),
    },
  };
}

/** Results have 64-bit integers as text: it stays text where no double holds it. */
function cellOf(type: "int" | "float" | "text", cell: unknown): EventCell {
  if (typeof cell !== "string") return typeof cell === "number" ? cell : null;
  if (type === "text") return cell;
  const number = Number(cell);
  return Number.isSafeInteger(number) ? number : cell;
}
