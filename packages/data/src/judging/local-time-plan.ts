import { quoteName, quoteText } from "@portolan/expressions";
import type { AnalysisStatement } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";

/**
 * Turns wall clocks into UTC by the contract's zone table. Asking the calendar for each of millions of rows is slow, so it
 * is asked once per zone and hour, and per row only in hours that hold a clock change. There the rule is that of
 * `zonedInstant`: a time that exists twice is the earlier one, a time that does not exist moves forward.
 */
export function localTimeStatements(
  contract: DataContract,
  references: Readonly<Record<string, string>>,
): AnalysisStatement[] {
  const derived = contract.columns.flatMap((column) =>
    column.localTime ? [{ name: column.name, ...column.localTime }] : [],
  );
  const statements: AnalysisStatement[] = [];
  const joins: string[] = [];
  const selected: string[] = [];
  for (const [index, { name, from, key, zones }] of derived.entries()) {
    const path = references[zones] ?? "";
    statements.push(
      {
        sql: `create table zones_${index} as select column0 as k, any_value(column1) as zone from read_csv(${quoteText(path)}, header = false, skip = 1, all_varchar = true, names = ['column0', 'column1']) group by column0`,
      },
      { sql: hoursSql(index, from, key), note: "reading time zones" },
    );
    joins.push(
      `left join zones_${index} as z${index} on z${index}.k = l.${quoteName(key)}`,
      `left join hours_${index} as h${index} on h${index}.zone = z${index}.zone and h${index}.hour = ${hourOf(`l.${quoteName(from)}`)}`,
    );
    selected.push(
      `${instantSql(`l.${quoteName(from)}`, `z${index}.zone`, `h${index}`)} as ${quoteName(name)}`,
    );
  }
  const columns = ["l.*", ...selected].join(", ");
  return [
    ...statements,
    { sql: `create view timed as select ${columns} from loaded as l ${joins.join(" ")}` },
  ];
}

function hoursSql(index: number, from: string, key: string): string {
  return `create table hours_${index} as select zone, hour,
      ${utc("zone", "hour * 3600000000")} - hour * 3600000000 as starts,
      ${utc("zone", "hour * 3600000000 + 3599999999")} - (hour * 3600000000 + 3599999999) as ends,
      ${utc("zone", "(hour - 6) * 3600000000")} - (hour - 6) * 3600000000 as earlier
    from (select distinct z.zone, ${hourOf(`l.${quoteName(from)}`)} as hour from loaded as l
      join zones_${index} as z on z.k = l.${quoteName(key)} where l.${quoteName(from)} is not null)`;
}

function instantSql(local: string, zone: string, hour: string): string {
  const candidate = `(${local} + ${hour}.earlier)`;
  const same = `epoch_us(timezone(${zone}, make_timestamptz(${candidate}))) = ${local}`;
  return `(case when ${hour}.starts = ${hour}.ends and ${hour}.starts = ${hour}.earlier then ${local} + ${hour}.starts
    when ${same} then ${candidate} else ${utc(zone, local)} end)`;
}

function utc(zone: string, local: string): string {
  return `epoch_us(timezone(${zone}, make_timestamp(${local})))`;
}

/** Hours since 1970 on the wall clock, rounded down also before it. */
function hourOf(local: string): string {
  return `((${local} - ((${local} % 3600000000 + 3600000000) % 3600000000)) // 3600000000)`;
}
