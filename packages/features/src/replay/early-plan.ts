import type { AcceptedRow, AnalysisStatement } from "@portolan/data/contract";
import { quoteText, type Value, type ValueType } from "@portolan/expressions";
import { earlySequence, readableRow, statedRecord } from "../early/early-line.ts";
import { keptType, operandsOf } from "../events/operands.ts";
import { keyColumns, segmentsRelation, valueColumn } from "../log/log-sql.ts";
import { isEventView, isValueView, type LogView } from "../view-model.ts";

const valueTypes: Readonly<Partial<Record<ValueType, string>>> = { float: "double", text: "varchar" };

/** Columns of accepted events, as a log has them, and which event of which run each is. */
function earlyColumns(view: LogView): string[] {
  const types = isValueView(view)
    ? view.values.map(({ value: { type } }) => valueTypes[type] ?? "bigint")
    : operandsOf(view).map((of) => ({ int: "bigint", float: "double", text: "varchar" })[keptType(of)]);
  return [
    "run: 'bigint'",
    "accepted: 'bigint'",
    "sequence: 'bigint'",
    ...keyColumns(view).map((key) => `${key}: 'varchar'`),
    "event: 'bigint'",
    "available: 'bigint'",
    "tombstone: 'boolean'",
    "parts: 'varchar[]'",
    ...types.map((type, index) => `${valueColumn(index)}: '${type}'`),
  ];
}

/** Accepted events of a run as JSON lines, for `earlyTable`; what is no record of the view is left out. */
export function earlyLines(view: LogView, run: number, rows: readonly AcceptedRow[]): string {
  return rows
    .flatMap(({ accepted, values }) => {
      const record = statedRecord(view, readableRow(values));
      if (!record) return [];
      const { key, event, available, isTombstone: tombstone, identity: parts, cells } = record;
      const keys = keyColumns(view).map((column, index) => [column, key?.[index] ?? null]);
      const kept = cells.map((cell, index) => [valueColumn(index), keptCell(cell)]);
      const sequence = earlySequence({ accepted });
      const line = { run, accepted, sequence, event, available, tombstone, parts: parts ?? null };
      return `${JSON.stringify({ ...line, ...Object.fromEntries([...keys, ...kept]) })}\n`;
    })
    .join("");
}

/** Integers of 64 bits as texts, which JSON keeps exactly. */
function keptCell(cell: Value): string | number | null {
  if (typeof cell === "boolean") return cell ? 1 : 0;
  return typeof cell === "bigint" ? String(cell) : cell;
}

/** The table `early` of the files' lines; a log has an identity of several parts as a JSON list. */
export function earlyTable(view: LogView, files: readonly string[]): AnalysisStatement {
  const read = `read_json([${files.map(quoteText).join(", ")}], format = 'newline_delimited', columns = {${earlyColumns(view).join(", ")}})`;
  if (!isEventView(view)) return { sql: `create table early as select * exclude (parts) from ${read}` };
  const id = view.identity.columns.length === 1 ? "parts[1]" : "to_json(parts)::varchar";
  return {
    sql: `create table early as select * exclude (parts), ${id} as id, null::bigint as withdraws from ${read}`,
  };
}

/** A row of a request, and the runs whose events may have counted for it. */
export interface EarlyKey {
  /** Its place in the request. */
  readonly of: number;
  readonly key: readonly string[];
  /** The moment T that it was served for, epoch microseconds. */
  readonly at: number;
  readonly runs: readonly number[];
}

/** Such rows as JSON lines. */
export function keyLines(rows: readonly EarlyKey[]): string {
  return rows
    .map(({ of, key, at, runs }) =>
      JSON.stringify({
        _row: of,
        _at: at,
        runs,
        ...Object.fromEntries(key.map((part, i) => [`k${i}`, part])),
      }),
    )
    .join("\n");
}

/** The table `rows` of such lines, and `named`: of a view of windows the events of which a row's entity has a version, in the log or early. */
export function rowTables(view: LogView, file: string, segments: readonly string[]): AnalysisStatement[] {
  const keys = keyColumns(view);
  const own = keys.map((key) => `${key}: 'varchar'`);
  const columns = ["_row: 'bigint'", "_at: 'bigint'", "runs: 'bigint[]'", ...own].join(", ");
  const rows = {
    sql: `create table rows as select * from read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${columns}})`,
  };
  if (!isEventView(view)) return [rows];
  const ids = `select ${keys.join(", ")}, id from ${segmentsRelation(segments)} where withdraws is null
    union all select ${keys.join(", ")}, id from early`;
  return [
    rows,
    {
      sql: `create table named as select distinct r._row, r._at, r.runs, l.id from rows as r join (${ids}) as l on ${ownKey(view)}`,
    },
  ];
}

function ownKey(view: LogView, table = "l"): string {
  return keyColumns(view)
    .map((key) => `${table}.${key} = r.${key}`)
    .join(" and ");
}

/**
 * Which early events touch which rows: those of its runs that are known at its moment, the first `most` of each. Result: `touches`.
 */
export function touchStatement(view: LogView, most: number): AnalysisStatement {
  const joined = isEventView(view)
    ? "named as r join early as e on e.id = r.id"
    : `rows as r join early as e on ${ownKey(view, "e")}`;
  return {
    sql: `select _row, run, accepted from (
        select distinct r._row, e.run, e.accepted from ${joined} where list_contains(r.runs, e.run) and e.available <= r._at
      ) qualify row_number() over (partition by _row order by accepted, run) <= ${most}`,
    returns: "touches",
  };
}

/** The table `lines`: what the log has of the rows' entities, in the versions of their order. */
export function linesTable(view: LogView, segments: readonly string[]): AnalysisStatement {
  const log = segmentsRelation(segments);
  return {
    sql: isEventView(view)
      ? `create table lines as select * from ${log} where withdraws is null and id in (select id from named)`
      : `create table lines as select l.* from ${log} as l semi join rows as r on ${ownKey(view)}`,
  };
}

/** The relation of what was online in a state: `lines` up to a place, and the events of these runs up to a number after them (F53). */
export function stateRelation(
  view: LogView,
  {
    position,
    upTo,
    runs,
  }: { readonly position: number; readonly upTo: number; readonly runs: readonly number[] },
): string {
  const cells = isValueView(view) ? view.values : operandsOf(view);
  const columns = [
    "sequence",
    "event",
    "available",
    "tombstone",
    ...keyColumns(view),
    ...cells.map((_, index) => valueColumn(index)),
    ...(isEventView(view) ? ["id", "withdraws"] : []),
  ].join(", ");
  return `(select ${columns} from lines where sequence <= ${position}
    union all select ${columns} from early where accepted <= ${upTo} and run in (${runs.join(", ")}))`;
}
