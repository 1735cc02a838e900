import type { AnalysisRow, AnalysisStatement } from "@portolan/data/contract";
import { quoteName, quoteText } from "@portolan/expressions";
import { mostRecentPerEntity } from "../events/entity-windows.ts";
import { windowLogOracle, windowLogStatements } from "../events/window-log-plan.ts";
import { type FeatureValue, textCell } from "../feature-value.ts";
import { numberCell } from "../log/fold-plan.ts";
import { historyMicros } from "../log/log-record.ts";
import { keyColumns, segmentsRelation } from "../log/log-sql.ts";
import { pointInTimeStatements } from "../log/point-in-time-plan.ts";
import { materializePlan } from "../materialize-plan.ts";
import type { RequestField } from "../on-demand/on-demand-model.ts";
import { withOnDemand } from "../on-demand/on-demand-plan.ts";
import type { ValueStatus } from "../ports.ts";
import {
  type EventView,
  type FeatureView,
  featureNamesOf,
  isEventView,
  isValueView,
  type LogView,
  textNamesOf,
} from "../view-model.ts";

/** One question: an entity at a moment, by what had come up to a position. */
export interface Asked {
  /** Unique among the questions of one run. */
  readonly row: number;
  readonly key: readonly string[];
  readonly at: number;
  /** Of a log: the last sequence that counts. */
  readonly position: number;
  /** In the order of the view's request fields. */
  readonly request: readonly RequestCell[];
}

export type RequestCell = string | number | boolean | null;

export interface Derived {
  readonly status: "found" | "not_found" | "outside_max_age";
  /** Event time of a stated value, moment of computation of a window; epoch microseconds. */
  readonly asOf?: number;
  /** Of a log: before it, online says `outside_max_age` where it keeps nothing; epoch microseconds. */
  readonly exactFrom?: number;
  /** Of windows over a log: the entity has so many events that online may say `outside_max_age` (F35). */
  readonly mayBeCut?: true;
  readonly values: Readonly<Record<string, FeatureValue>>;
  /** Of each value, why it is there or is not. */
  readonly statuses: Readonly<Record<string, ValueStatus>>;
}

/** The questions as JSON lines, for `asked` below. */
export function askedLines(asked: readonly Asked[]): string {
  return asked
    .map(({ row, key, at, position, request }) =>
      JSON.stringify({
        _row: row,
        _at: at,
        position,
        ...Object.fromEntries(key.map((part, i) => [`k${i}`, part])),
        ...Object.fromEntries(request.map((cell, i) => [requestColumn(i), cell])),
      }),
    )
    .join("\n");
}

const sqlTypes: Readonly<Record<RequestField["type"], string>> = {
  int: "bigint",
  float: "double",
  bool: "boolean",
  text: "varchar",
  instant: "bigint",
  local: "bigint",
};

function requestColumn(field: number): string {
  return `r${field}`;
}

function askedSql(view: FeatureView, file: string): AnalysisStatement {
  const keys = keyColumns(view).map((key) => `${key}: 'varchar'`);
  const fields = (view.request ?? []).map(({ type }, i) => `${requestColumn(i)}: '${sqlTypes[type]}'`);
  const columns = ["_row: 'bigint'", "_at: 'bigint'", "position: 'bigint'", ...keys, ...fields].join(", ");
  return {
    sql: `create table asked as select * from read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${columns}})`,
  };
}

/** Answers to questions about a log by the very plan that training sets use, position by position. Results: `answers_<index>`. */
export function logReplay(
  view: LogView,
  file: string,
  segments: readonly string[],
  positions: readonly number[],
): AnalysisStatement[] {
  return [
    askedSql(view, file),
    ...positions.flatMap((position, index) => {
      const records = `(select * from ${segmentsRelation(segments)} where sequence <= ${position})`;
      return answersAt(view, { position, index, records }, windowLogStatements);
    }),
  ];
}

/**
 * Answers to questions about a log and the events that counted beside it, state by state; `position` of a question is the place of its state. Events are
 * the versions of their order, as withdrawals come with their batch. Results: `answers_<index>`.
 *
 * @param states relation of each
 */
export function stateReplay(view: LogView, file: string, states: readonly string[]): AnalysisStatement[] {
  return [
    askedSql(view, file),
    ...states.flatMap((records, index) =>
      answersAt(view, { position: index, index, records }, windowLogOracle),
    ),
  ];
}

function answersAt(
  view: LogView,
  {
    position,
    index,
    records,
  }: { readonly position: number; readonly index: number; readonly records: string },
  windowed: typeof windowLogStatements,
): AnalysisStatement[] {
  const fields = (view.request ?? []).map((_, i) => requestColumn(i));
  const requests = `asked_${index}`;
  const input = { records, probes: requests, probeKeys: keyColumns(view) };
  return [
    { sql: `create view ${requests} as select * from asked where position = ${position}` },
    ...withOnDemand({ view, requests, fields, into: `w${index}` }, (into) =>
      isValueView(view)
        ? pointInTimeStatements({ view, ...input, into })
        : windowed({ view, ...input, into }),
    ),
    {
      sql: isEventView(view)
        ? withCutSql(view, { index, requests, records })
        : `select * from w${index} order by _row`,
      returns: `answers_${index}`,
    },
  ];
}

/** Windows with whether online may keep fewer events of their entity than they reach (F35): no fewer than it has of one at least. */
function withCutSql(
  view: EventView,
  {
    index,
    requests,
    records,
  }: { readonly index: number; readonly requests: string; readonly records: string },
): string {
  const keys = keyColumns(view).join(", ");
  const longest = Math.max(...view.features.map(({ windowMicros }) => windowMicros));
  const reach = longest + view.ttlMicros + historyMicros;
  return `select w.*, many._row is not null as _may_be_cut from w${index} as w left join (
      select a._row from ${requests} as a join (
        select ${keys} from ${records} where event > (select min(_at) from ${requests}) - ${reach}
        group by ${keys} having count(*) > ${mostRecentPerEntity}
      ) using (${keys})
    ) as many on many._row = w._row order by w._row`;
}

/** What a materialisation of windows wrote for the entities that are asked for. Result: `answers_0`; an entity without a row had none. */
export function windowReplay(
  view: FeatureView,
  file: string,
  dataset: string,
  asOf: number,
): AnalysisStatement[] {
  const keys = keyColumns(view).map((key, index) => `cast(r.key_${index} as varchar) = a.${key}`);
  const values = view.features.map(({ name }, index) => `r.value_${index} as ${quoteName(name)}`);
  const statements = materializePlan(view, dataset, asOf, "asked");
  return [
    askedSql(view, file),
    ...statements.map(({ returns, ...statement }) =>
      returns === "rows" ? { ...statement, sql: `create table written as ${statement.sql}` } : statement,
    ),
    {
      sql: `select a._row, ${ageSql(view, asOf)} as _status, ${asOf}::bigint as _as_of, ${values.join(", ")}
        from asked as a join written as r on ${keys.join(" and ")} order by a._row`,
      returns: "answers_0",
    },
  ];
}

function ageSql({ ttlMicros }: FeatureView, asOf: number): string {
  return `case when a._at - ${asOf} between 0 and ${ttlMicros} then 'found' else 'outside_max_age' end`;
}

/** Windows over a log at a moment, by a row of an answer: they are known up to `knownUntil`, and stale once that is older than the view allows (F34). */
export function derivedWindows(
  view: FeatureView,
  row: AnalysisRow | undefined,
  at: number,
  knownUntil: number,
): Derived {
  const isStale = at - knownUntil > view.ttlMicros;
  const status = isStale ? "outside_max_age" : "found";
  return {
    status,
    asOf: Math.min(at, knownUntil),
    ...(row?.["_may_be_cut"] === true ? { mayBeCut: true } : {}),
    ...cellsOf(view, row, status),
  };
}

/** The values of a row, and the status of each. */
function cellsOf(
  view: FeatureView,
  row: AnalysisRow | undefined,
  status: Derived["status"],
): Pick<Derived, "values" | "statuses"> {
  const values: Record<string, FeatureValue> = {};
  const texts = textNamesOf(view);
  const statuses: Record<string, ValueStatus> = {};
  for (const name of featureNamesOf(view)) {
    const cell = texts.includes(name) ? textCell(row?.[name]) : numberCell(row?.[name]);
    const value = status === "found" ? cell : null;
    values[name] = value;
    if (status !== "found") statuses[name] = status;
    else statuses[name] = value === null ? "null" : "present";
  }
  return { values, statuses };
}

/** A row of an answer. */
export function derivedOf(view: FeatureView, row: AnalysisRow | undefined): Derived {
  const stated = row?.["_status"];
  const status = stated === "found" || stated === "outside_max_age" ? stated : "not_found";
  const asOf = status === "not_found" ? null : numberCell(row?.["_as_of"]);
  return { status, ...(asOf === null ? {} : { asOf }), ...cellsOf(view, row, status) };
}
