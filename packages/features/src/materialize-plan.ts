import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName, quoteText, toDuckDbSql } from "@portolan/expressions";
import type { FeatureView } from "./view-model.ts";
import { availableSql } from "./windows/events-sql.ts";
import { windowStatements } from "./windows/window-plan.ts";

/**
 * Values of every entity that has an event in reach at one moment, by the very plan that training sets use. Result: `rows`.
 *
 * @param among relation of keys as text (`k0`, `k1`, …): of these entities alone
 */
export function materializePlan(
  view: FeatureView,
  dataset: string,
  asOf: number,
  among?: string,
): AnalysisStatement[] {
  const longest = Math.max(...view.features.map((feature) => feature.windowMicros));
  const event = quoteName(view.eventTime);
  const columns = view.entity.map(({ column }) => quoteName(column));
  const keys = view.entity.map(({ column }, index) => `p.${quoteName(column)} as key_${index}`);
  const values = view.features.map(({ name }, index) => `w.${quoteName(name)} as value_${index}`);
  const isAsked = columns.map((column, index) => `a.k${index} = cast(events.${column} as varchar)`);
  // An event that is not known yet is none: no row tells of it.
  const isKnown = `${availableSql(event, toDuckDbSql(view.available))} <= ${asOf}`;
  const isMeant =
    among === undefined ? "true" : `exists (select 1 from ${among} as a where ${isAsked.join(" and ")})`;
  return [
    {
      sql: `create table events as select * from read_parquet(${quoteText(dataset)}) where ${event} > ${asOf - longest} and ${event} <= ${asOf}`,
      note: "reading events",
    },
    {
      sql: `create table probes as select row_number() over (order by ${columns.join(", ")}) as _row, ${asOf}::bigint as _at, ${columns.join(", ")}
        from (select distinct ${columns.join(", ")} from events where ${columns.map((column) => `${column} is not null`).join(" and ")} and ${isKnown} and ${isMeant})`,
    },
    ...windowStatements({
      view,
      events: "events",
      probes: "probes",
      probeKeys: view.entity.map(({ column }) => column),
      into: "w",
    }),
    {
      sql: `select ${[...keys, ...values].join(", ")} from probes as p join w on w._row = p._row order by p._row`,
      returns: "rows",
    },
  ];
}
