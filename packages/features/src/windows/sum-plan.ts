import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName } from "@portolan/expressions";
import type { WindowFeature } from "../view-model.ts";
import { isWideSql, squareSql, summandSql, sumValueSql } from "./aggregates.ts";
import { eventsSql, leavesSql, type WindowPart } from "./events-sql.ts";

/**
 * Counts, sums, means and variances. An event that becomes available later than its window lasts never counts and is left out; every other one enters its
 * sum when it becomes available and leaves when the window has passed. Each key's entries therefore cancel out, so one running sum over
 * everything ordered by key and time is the running sum per key: a single streaming pass instead of a window per key (8 times faster on
 * the flights than PARTITION BY). Sums are 128-bit integers, hence exact.
 */
export function sumStatements(input: WindowPart<WindowFeature>): AnalysisStatement[] {
  const { view, features, into } = input;
  const sums = sumsOf(features);
  const keys = view.entity.map((_, index) => `k${index}`);
  const running = sums.flatMap((_, index) => [`n${index}`, `s${index}`]);
  const ordered = `${into}_ordered`;
  const sorted = [...keys, "t", "probe"].join(", ");
  const values = features.map((feature) => `${valueSql(feature, sums)} as ${quoteName(feature.name)}`);
  return [
    {
      sql: `create table ${ordered} as select * from (${entries(input, sums, keys).join(" union all ")}) order by ${sorted}`,
      note: `windows of ${view.name}`,
    },
    {
      sql: `create table ${into} as select row as _row, ${values.join(", ")} from (
        select row, ${running.map((name) => `sum(${name}) over (rows unbounded preceding) as ${name}`).join(", ")} from ${ordered}
      ) where row is not null`,
    },
    { sql: `drop table ${ordered}` },
  ];
}

/** One running pair (count, sum) serves every feature over the same values and window. */
interface RunningSum {
  readonly of: string;
  readonly windowMicros: number;
}

function sumsOf(features: readonly WindowFeature[]): RunningSum[] {
  const found = new Map<string, RunningSum>();
  for (const feature of features) {
    const { windowMicros } = feature;
    for (const of of summandsOf(feature)) found.set(`${windowMicros} ${of}`, { of, windowMicros });
  }
  return [...found.values()];
}

/** What a feature sums up: its values, and for a variance their squares and how many are too wide for one. */
function summandsOf(feature: WindowFeature): string[] {
  const summand = summandSql(feature);
  return feature.aggregate === "variance" ? [summand, squareSql(summand), isWideSql(summand)] : [summand];
}

function entries(
  input: WindowPart<WindowFeature>,
  sums: readonly RunningSum[],
  keys: readonly string[],
): string[] {
  const { probes, probeKeys } = input;
  const source = eventsSql(
    input,
    sums.map((sum, index) => `${sum.of} as v${index}`),
  );
  const known = `${keys.join(", ")}`;
  const counts = (sign: 1 | -1, window?: number): string =>
    sums
      .map((sum, index) => {
        const takesPart = window === undefined || sum.windowMicros === window;
        if (!takesPart) return `0::bigint as n${index}, 0::bigint as s${index}`;
        const when = `available - event < ${sum.windowMicros} and v${index} is not null`;
        return `case when ${when} then ${sign} else 0 end::bigint as n${index}, case when ${when} then ${sign} * v${index} else 0 end::bigint as s${index}`;
      })
      .join(", ");
  const windows = [...new Set(sums.map((sum) => sum.windowMicros))];
  const nothing = sums.map((_, index) => `0::bigint as n${index}, 0::bigint as s${index}`).join(", ");
  return [
    `select ${known}, available as t, 0 as probe, null::bigint as row, ${counts(1)} from ${source} where available is not null`,
    ...windows.map(
      (window) =>
        `select ${known}, ${leavesSql(input, window)} as t, 0 as probe, null::bigint as row, ${counts(-1, window)} from ${source} where available is not null`,
    ),
    `select ${probeKeys.map((key, index) => `${quoteName(key)} as ${keys[index]}`).join(", ")}, _at as t, 1 as probe, _row as row, ${nothing} from ${probes}`,
  ];
}

function valueSql(feature: WindowFeature, sums: readonly RunningSum[]): string {
  const [values = -1, squares = -1, wide = -1] = summandsOf(feature).map((of) =>
    sums.findIndex((sum) => sum.of === of && sum.windowMicros === feature.windowMicros),
  );
  return sumValueSql(feature, {
    count: `n${values}`,
    sum: `s${values}`,
    squares: `s${squares}`,
    wide: `n${wide}`,
  });
}
