import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName } from "@portolan/expressions";
import { type PickFeature, pickedSql, stampedSql } from "./aggregates.ts";
import { eventsSql, leavesSql, type WindowPart } from "./events-sql.ts";

/** After every moment that is asked about. */
const never = "9223372036854775807::bigint";

/**
 * Smallest, largest, newest and distinct values. What entered cannot be taken out again, so that no running figure serves; an event counts for the moments from
 * its availability to the end of its window, one stretch of its key's moments in order. Such a stretch is the sum of a few nodes of a binary tree over all
 * moments: events are gathered by node, and a moment gathers the nodes above it. O(n log n), whatever the windows are.
 */
export function pickStatements(input: WindowPart<PickFeature>): AnalysisStatement[] {
  const { view, features, into, probes, probeKeys } = input;
  const keys = view.entity.map((_, index) => `k${index}`);
  const known = keys.join(", ");
  const moments = `${into}_moments`;
  const values = features.map(({ name, aggregate }, index) => {
    const found = `x.f${index}`;
    return `${aggregate === "distinct" ? `coalesce(${found}, 0)` : found} as ${quoteName(name)}`;
  });
  const asked = `(select distinct ${probeKeys.map((key, at) => `${quoteName(key)} as k${at}`).join(", ")}, _at as t from ${probes} where ${probeKeys.map((key) => `${quoteName(key)} is not null`).join(" and ")})`;
  const windows = [...new Set(features.map(({ windowMicros }) => windowMicros))];
  return [
    {
      // Each key's last moment is one that nobody asks about: a stretch always has an end.
      sql: `create table ${moments} as select *, row_number() over (order by ${known}, t) - 1 as place
        from (select ${known}, t from ${asked} union all select distinct ${known}, ${never} as t from ${asked})`,
      note: `picks of ${view.name}`,
    },
    ...windows.flatMap((window) => windowStatements(input, window, moments)),
    {
      sql: `create table ${into} as select p._row, ${values.join(", ")} from ${probes} as p
        left join ${moments} as m on ${keys.map((key, at) => `m.${key} = p.${quoteName(probeKeys[at] ?? key)}`).join(" and ")} and m.t = p._at
        left join (select * from ${windows.map((window) => `${into}_${window}`).reduce((all, next) => `${all} join ${next} using (place)`)}) as x on x.place = m.place`,
    },
    ...windows.map((window) => ({ sql: `drop table ${into}_${window}` })),
    { sql: `drop table ${moments}` },
  ];
}

/** A table of the window's features by moment, `place` and `f0`, `f1`, … by their place among all features. */
function windowStatements(
  input: WindowPart<PickFeature>,
  window: number,
  moments: string,
): AnalysisStatement[] {
  const { view, features, into } = input;
  const own = features
    .map((feature, index) => ({ feature, index }))
    .filter(({ feature }) => feature.windowMicros === window);
  const [ranges, nodes, distinct] = [`${into}_ranges`, `${into}_nodes`, `${into}_distinct`];
  const same = view.entity.map((_, at) => `e.k${at} = m.k${at}`).join(" and ");
  const cells = own.map(({ feature, index }) => `${pickedSql(feature)} as v${index}`);
  const source = eventsSql(input, cells);
  const picked = own.map(({ index }) => `v${index}`);
  const plain = own.filter(({ feature }) => feature.aggregate !== "distinct");
  const many = own.filter(({ feature }) => feature.aggregate === "distinct");
  // The nodes of a stretch [l, r): on each level the left end where it is odd, and the right one.
  const spread = `select level, unnest(list_concat(
      case when l & 1 = 1 and l < r then [l] else [] end, case when r & 1 = 1 and l < r then [r - 1] else [] end)) as node, event, available, ${picked.join(", ")}
    from (select * exclude (first, past), (first + (1::bigint << level) - 1) >> level as l, past >> level as r
      from (select *, unnest(range(0, ceil(log2(past - first + 1))::bigint + 1)) as level from ${ranges}))`;
  return [
    {
      sql: `create table ${ranges} as select e.first, m.place as past, e.event, e.available, ${picked.join(", ")} from (
          select e.*, m.place as first from (select * from ${source} where available is not null and available - event < ${window}) as e
          asof join ${moments} as m on ${same} and e.available <= m.t
        ) as e asof join ${moments} as m on ${same} and ${leavesSql(input, window, "e.")} <= m.t where m.place > e.first`,
    },
    { sql: `create table ${nodes}_all as ${spread}` },
    { sql: `drop table ${ranges}` },
    ...(plain.length === 0
      ? []
      : [
          {
            sql: `create table ${nodes} as select level, node, ${plain.flatMap((one) => gatherSql(one, plain)).join(", ")} from ${nodes}_all group by level, node`,
          },
        ]),
    ...many.map(({ index }) => ({
      sql: `create table ${distinct}_${index} as select distinct level, node, v${index} as v from ${nodes}_all where v${index} is not null`,
    })),
    {
      sql: `create table ${into}_${window} as select place, ${own
        .map(({ index }) => `f${index}`)
        .join(", ")} from (select place from ${moments})
        ${plain.length === 0 ? "" : `left join (select m.place, ${plain.map((one) => `${mergeSql(one, plain)} as f${one.index}`).join(", ")} from ${aboveSql(moments, nodes)} group by m.place) using (place)`}
        ${many
          .map(
            ({ feature, index }) =>
              `left join (select m.place, least(count(distinct n.v), ${feature.limit ?? 1})::bigint as f${index} from ${aboveSql(moments, `${distinct}_${index}`)} group by m.place) using (place)`,
          )
          .join(" ")}`,
    },
    { sql: `drop table ${nodes}_all` },
    ...(plain.length === 0 ? [] : [{ sql: `drop table ${nodes}` }]),
    ...many.map(({ index }) => ({ sql: `drop table ${distinct}_${index}` })),
  ];
}

/** Moments `m` with the nodes `n` above them. */
function aboveSql(moments: string, nodes: string): string {
  return `(select place, level from ${moments}, (select distinct level from ${nodes})) as m join ${nodes} as n on n.level = m.level and n.node = m.place >> m.level`;
}

/** A feature of a window, and its place among all features. */
interface Placed {
  readonly feature: PickFeature;
  readonly index: number;
}

/** What a node keeps of its events for a feature; of a value's newest events one list serves them all (F60). */
function gatherSql(placed: Placed, all: readonly Placed[]): string[] {
  const { index } = placed;
  const { aggregate } = placed.feature;
  if (aggregate !== "last") return [`${aggregate}(v${index}) as g${index}`];
  const { first, most } = newestOf(placed, all);
  if (first.index !== index) return [];
  const newest = most === 1 ? "" : `, ${most}`;
  return [
    `max(${stampedSql("event", "available", `v${index}`)}${newest}) filter (v${index} is not null) as g${index}`,
  ];
}

function mergeSql(placed: Placed, all: readonly Placed[]): string {
  const { aggregate, nth = 1 } = placed.feature;
  if (aggregate !== "last") return `${aggregate}(n.g${placed.index})`;
  const { first, most } = newestOf(placed, all);
  const kept = `n.g${first.index}`;
  return most === 1 ? `max(${kept}).v` : `(list_sort(flatten(list(${kept})), 'DESC')[${nth}]).v`;
}

/** The feature under which the newest events of a value are kept, and how many of them are asked for. */
function newestOf(
  { feature }: Placed,
  all: readonly Placed[],
): { readonly first: Placed; readonly most: number } {
  const of = pickedSql(feature);
  const same = all.filter((one) => one.feature.aggregate === "last" && pickedSql(one.feature) === of);
  const [first = { feature, index: -1 }] = same;
  return { first, most: Math.max(...same.map((one) => one.feature.nth ?? 1)) };
}
