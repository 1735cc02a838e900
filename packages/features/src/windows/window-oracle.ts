import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName, toDuckDbSql } from "@portolan/expressions";
import type { WindowFeature } from "../view-model.ts";
import {
  isPick,
  isWideSql,
  pickedSql,
  squareSql,
  stampedSql,
  summandSql,
  sumValueSql,
} from "./aggregates.ts";
import { availableSql, type WindowPlanInput } from "./events-sql.ts";

/**
 * The same values straight from the definition, one join per probe: slow, and therefore a check on a sample. `check` becomes a table
 * with the columns of the fast plan.
 */
export function oracleStatement(input: WindowPlanInput): AnalysisStatement {
  const { view, events, probes, probeKeys, into, until } = input;
  const stays =
    until === undefined ? "" : ` and (e.${quoteName(until)} is null or p._at < e.${quoteName(until)})`;
  const event = `e.${quoteName(view.eventTime)}`;
  const available = availableSql(event, toDuckDbSql(view.available, "e"));
  const on = view.entity.map(
    ({ column }, index) => `e.${quoteName(column)} = p.${quoteName(probeKeys[index] ?? column)}`,
  );
  const values = view.features.map((feature) => {
    const inside = `filter (${event} > p._at - ${feature.windowMicros} and ${event} <= p._at and ${available} <= p._at${stays})`;
    return `${valueSql(feature, { inside, event, available })} as ${quoteName(feature.name)}`;
  });
  return {
    sql: `create table ${into} as select p._row, ${values.join(", ")} from ${probes} as p left join ${events} as e on ${on.join(" and ")} group by p._row`,
    note: `checking ${view.name}`,
  };
}

interface EventSql {
  /** Which events count, as a filter of an aggregate. */
  readonly inside: string;
  readonly event: string;
  readonly available: string;
}

function valueSql(feature: WindowFeature, { inside, event, available }: EventSql): string {
  if (isPick(feature)) {
    const of = pickedSql(feature, "e");
    if (feature.aggregate === "distinct")
      return `least(count(distinct ${of}) ${inside}, ${feature.limit ?? 1})::bigint`;
    if (feature.aggregate !== "last") return `${feature.aggregate}(${of}) ${inside}`;
    const valued = inside.replace(/\)$/, ` and (${of}) is not null)`);
    const stamped = stampedSql(event, available, of);
    return feature.nth === undefined
      ? `(max(${stamped}) ${valued}).v`
      : `(list_sort(list(${stamped}) ${valued}, 'DESC')[${feature.nth}]).v`;
  }
  const of = summandSql(feature, "e");
  const total = (summand: string): string => `coalesce(sum(${summand}) ${inside}, 0)`;
  return sumValueSql(feature, {
    count: `(count(${of}) ${inside})`,
    sum: `(sum(${of}) ${inside})`,
    squares: total(squareSql(of)),
    wide: total(isWideSql(of)),
  });
}
