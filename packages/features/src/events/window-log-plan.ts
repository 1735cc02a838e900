import type { AnalysisStatement } from "@portolan/data/contract";
import { keyColumns } from "../log/log-sql.ts";
import type { EventView } from "../view-model.ts";
import { oracleStatement } from "../windows/window-oracle.ts";
import { windowStatements } from "../windows/window-plan.ts";
import { askedSql, loggedForm, versionsOracleSql, versionsSql } from "./versions-sql.ts";

export interface WindowLogInput {
  readonly view: EventView;
  /** Relation of the log's lines. */
  readonly records: string;
  /** Relation of moments to answer: `_row` (unique), `_at` (epoch microseconds), and the key columns. */
  readonly probes: string;
  /** Key columns of `probes`, in the view's key order. */
  readonly probeKeys: readonly string[];
  /** Table to make: `_row` and one column per feature. */
  readonly into: string;
}

/** Windows at many moments over a log: each event in the version that was known then (docs/spec/features.md, F31 and F32). */
export function windowLogStatements(input: WindowLogInput): AnalysisStatement[] {
  return [
    ...relations(input, versionsSql(input.records)),
    ...windowStatements(windowInput(input)),
    ...dropped(input),
  ];
}

/** The same straight from the definition: slow, and therefore a check on a sample. */
export function windowLogOracle(input: WindowLogInput): AnalysisStatement[] {
  return [
    ...relations(input, versionsOracleSql(input.records)),
    oracleStatement(windowInput(input)),
    ...dropped(input),
  ];
}

function windowInput({ view, into }: WindowLogInput) {
  return {
    view: loggedForm(view),
    events: `${into}_events`,
    probes: `${into}_asked`,
    probeKeys: keyColumns(view),
    into,
    until: "until",
  };
}

/** Events older than the longest window before the first moment cannot count, nor those that are known after the last. */
function relations({ view, probes, probeKeys, into }: WindowLogInput, versions: string): AnalysisStatement[] {
  const longest = Math.max(...view.features.map(({ windowMicros }) => windowMicros));
  const asked = `${into}_asked`;
  return [
    { sql: `create table ${asked} as select * from ${askedSql(view, probes, probeKeys)}` },
    {
      // Identities are half of a log's bytes, and a window asks for none.
      sql: `create table ${into}_events as select * exclude (id) from ${versions}
        where event > (select min(_at) from ${asked}) - ${longest} and available <= (select max(_at) from ${asked})`,
      note: `events of ${view.name}`,
    },
  ];
}

function dropped({ into }: WindowLogInput): AnalysisStatement[] {
  return [{ sql: `drop table ${into}_events` }, { sql: `drop table ${into}_asked` }];
}
