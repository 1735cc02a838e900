import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName, quoteText, toDuckDbSql } from "@portolan/expressions";
import { keyColumns, leftOutSql, recordRowsSql, segmentsRelation, valueColumn } from "../log/log-sql.ts";
import type { SegmentPlanInput } from "../log/segment-plan.ts";
import type { EventView } from "../view-model.ts";
import { operandsOf } from "./operands.ts";

/**
 * The next segment of a log of events (F30 to F32). First what the dataset states: versions of events, and tombstones. Then, for each version that
 * another one follows in the order of (available, sequence), a *withdrawal*: it names the version by its sequence, lies where that one lies, and
 * is available when the next one is. So whoever folds the log entity by entity need not know where an event's other versions are. Result:
 * `counts`.
 */
export function eventSegmentStatements(input: SegmentPlanInput<EventView>): AnalysisStatement[] {
  const { view, lastSequence, output } = input;
  const keys = keyColumns(view);
  const values = operandsOf(view).map((_, index) => valueColumn(index));
  const stated = ["event", "tombstone", ...keys, ...values];
  const said = `struct_pack(${stated.map((name) => `${name} := ${name}`).join(", ")})`;
  const columns = ["event", "available", ...keys, "tombstone", "id", ...values].join(", ");
  return [
    { sql: `create table incoming as ${incomingSql(input)}`, note: `events of ${view.name}` },
    ...freshStatements(input, columns, said),
    { sql: `create table withdrawals as ${withdrawalsSql(view, lastSequence)}` },
    {
      sql: `copy (
          select sequence, ${columns}, null::bigint as withdraws from fresh
          union all by name
          select ${lastSequence} + (select count(*) from fresh) + row_number() over (order by sequence) as sequence, * exclude (sequence, until, next) replace (until as available), sequence as withdraws
          from withdrawals
          order by sequence
        ) to ${quoteText(output)} (format parquet, compression zstd, row_group_size 122880)`,
      note: "writing the segment",
    },
    {
      sql: `select (select count(*) from fresh) + (select count(*) from withdrawals) as records,
        least((select min(event) from fresh), (select min(event) from withdrawals)) as min_event,
        greatest((select max(event) from fresh), (select max(event) from withdrawals)) as max_event,
        ${leftOutSql(view, input.dataset, recordsSql(input))}`,
      returns: "counts",
    },
  ];
}

/** `fresh`: what the log does not say yet, in the order of the dataset's rows; `known`: what it says of the same events. */
function freshStatements(
  { segments, lastSequence, isOlder }: SegmentPlanInput<EventView>,
  columns: string,
  said: string,
): AnalysisStatement[] {
  const numbered = `select ${lastSequence} + row_number() over (order by _row) as sequence, ${columns}`;
  if (segments.length === 0)
    return [
      { sql: `create table known as select 0::bigint as sequence, ${columns} from incoming limit 0` },
      { sql: `create table fresh as ${numbered} from incoming` },
    ];
  return [
    {
      sql: `create table known as select sequence, ${columns} from ${segmentsRelation(segments)}
        where withdraws is null and id in (select id from incoming)`,
    },
    {
      sql: `create table fresh as ${numbered}
        from (select *, ${said} as says from incoming) as i
        left join (select id as same, available as when_known, arg_max(${said}, sequence) as said from known group by all) as c
          on c.same = i.id and c.when_known = i.available
        where c.said is null or (${!isOlder} and c.said is distinct from i.says)`,
    },
  ];
}

/** Versions that another one follows. What is identified by all of its columns has no other version. */
function withdrawalsSql({ identity }: EventView, lastSequence: number): string {
  if (!identity.isKey) return "select *, null::bigint as until, null::bigint as next from fresh limit 0";
  return `select * from (
      select *, lead(available) over versions as until, lead(sequence) over versions as next
      from (select * from known union all by name select * from fresh) window versions as (partition by id order by available, sequence)
    ) where not tombstone and until is not null and (sequence > ${lastSequence} or next > ${lastSequence})`;
}

/** Of a key that stands twice with one availability the last row counts. */
function incomingSql(input: SegmentPlanInput<EventView>): string {
  const rows = rowsSql(input);
  return input.view.identity.isKey
    ? `select * from (${rows}) qualify row_number() over (partition by id, available order by _row desc) = 1`
    : rows;
}

/** The rows as events, each with its identity (`id`). */
function rowsSql({ view, dataset }: SegmentPlanInput<EventView>): string {
  const { columns, isKey } = view.identity;
  const parts = columns.map((column) => `cast(${quoteName(column)} as varchar)`);
  const list = `to_json([${parts.join(", ")}])::varchar`;
  const values = operandsOf(view).map((of, index) => {
    const sql = toDuckDbSql(of);
    return `${of.type === "bool" ? `(${sql})::bigint` : sql} as ${valueColumn(index)}`;
  });
  if (isKey) {
    const isNamed = parts.map((part) => `${part} is not null`).join(" and ");
    const id = `case when ${isNamed} then ${parts.length === 1 ? parts[0] : list} end`;
    return recordRowsSql(view, dataset, [`${id} as id`, ...values], ["id is not null"]);
  }
  // Equal rows are records all of them or none. Numbered by the digest: sorting the texts themselves takes twice as long.
  return `select * exclude (digest), digest || '.' || row_number() over (partition by digest order by _row) as id
    from (${recordRowsSql(view, dataset, [`sha256(${list}) as digest`, ...values])})`;
}

/** Rows that are events: of what is identified by all of its columns they are all in `incoming`. */
function recordsSql(input: SegmentPlanInput<EventView>): string {
  return input.view.identity.isKey ? rowsSql(input) : "select * from incoming";
}
