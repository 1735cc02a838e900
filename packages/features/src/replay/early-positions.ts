import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteText } from "@portolan/expressions";
import { keyColumns, segmentsRelation } from "../log/log-sql.ts";
import type { ReplayRequest } from "../resources.ts";
import { isEventView, type LogView } from "../view-model.ts";
import { clockSlackMicros, type OnlineRun, onlineAt } from "./online-at.ts";

/** A batch whose events counted online before the log had them. Times are of the wall clock, epoch microseconds. */
export interface EarlyRun {
  readonly firstAt: number;
  /** Null while they still do. */
  readonly settledAt: number | null;
  /** The log's last sequence with the batch; null where the log has it not, or not yet. */
  readonly lastSequence: number | null;
}

/** A row that may have been served of more than what was folded: of lines of the log up to this one. */
export interface EarlyRange {
  /** The row's place in the request. */
  readonly of: number;
  readonly key: readonly string[];
  readonly after: number;
  readonly upTo: number;
}

/**
 * Which rows may have been served of events that the log took in later, and of events that it has not (`undecided`): of neither can be told how many of them were
 * accepted by then. Pure.
 *
 * @param knownFrom which batches were settled before is forgotten: rows that were served before are `undecided`; epoch microseconds
 */
export function earlyRanges(
  rows: ReplayRequest["rows"],
  folds: readonly OnlineRun[],
  batches: readonly EarlyRun[],
  knownFrom: number,
): { readonly ranges: EarlyRange[]; readonly undecided: number[] } {
  const ranges: EarlyRange[] = [];
  const undecided: number[] = [];
  for (const [of, { key, servedAt }] of rows.entries()) {
    const early = batches.filter(
      ({ firstAt, settledAt }) =>
        firstAt - clockSlackMicros <= servedAt &&
        (settledAt === null || servedAt <= settledAt + clockSlackMicros),
    );
    const after = onlineAt(folds, servedAt)[0]?.position;
    if (after === undefined) continue;
    const isUnknown = servedAt - clockSlackMicros < knownFrom;
    if (isUnknown || early.some(({ lastSequence }) => lastSequence === null)) undecided.push(of);
    const upTo = Math.max(after, ...early.map(({ lastSequence }) => lastSequence ?? 0));
    if (upTo > after) ranges.push({ of, key, after, upTo });
  }
  return { ranges, undecided };
}

/** Of each row no more than so many states between two folds are derived; more events of one entity come within a window seldom. */
const mostPositions = 24;

/** The ranges as JSON lines, for the plan below. */
export function rangeLines(ranges: readonly EarlyRange[]): string {
  return ranges
    .map(({ of, key, after, upTo }) =>
      JSON.stringify({
        _row: of,
        after,
        up_to: upTo,
        ...Object.fromEntries(key.map((part, i) => [`k${i}`, part])),
      }),
    )
    .join("\n");
}

/** The sequences after which what was online of a row may have changed; one of another entity where an event moved. Result: `positions`. */
export function earlyPositions(
  view: LogView,
  file: string,
  segments: readonly string[],
): AnalysisStatement[] {
  const keys = keyColumns(view);
  const columns = [
    "_row: 'bigint'",
    "after: 'bigint'",
    "up_to: 'bigint'",
    ...keys.map((key) => `${key}: 'varchar'`),
  ];
  const lines = segmentsRelation(segments);
  const own = keys.map((key) => `l.${key} = r.${key}`).join(" and ");
  const touching = isEventView(view)
    ? `ranges as r join ${lines} as l on ${own} join ${lines} as v on v.id = l.id and v.withdraws is null`
    : `ranges as r join ${lines} as l on ${own} join ${lines} as v on v.sequence = l.sequence`;
  return [
    {
      sql: `create table ranges as select * from read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${columns.join(", ")}})`,
    },
    {
      sql: `select distinct r._row, v.sequence from ${touching} where v.sequence > r.after and v.sequence <= r.up_to
        qualify row_number() over (partition by r._row order by v.sequence) <= ${mostPositions} order by 1, 2`,
      returns: "positions",
    },
  ];
}
