import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName } from "@portolan/expressions";
import type { ValueView } from "../view-model.ts";
import { sameKey, valueColumns, winnersSql } from "./log-sql.ts";

export interface PointInTimeInput {
  readonly view: ValueView;
  /** Relation of the log's records. */
  readonly records: string;
  /** Relation of moments to answer: `_row` (unique), `_at` (epoch microseconds), and the key columns. */
  readonly probes: string;
  /** Key columns of `probes`, in the view's key order. */
  readonly probeKeys: readonly string[];
  /** Table to make: `_row`, `_status` (`found`, `not_found` or `outside_max_age`) and one column per feature. */
  readonly into: string;
}

/**
 * Values of a view at many moments: of the records that were visible then the greatest (event, available, sequence); see F16. Every probe
 * has exactly one row, whatever is found. O(n log n): the records that win at some moment, then one pass that goes along both.
 */
export function pointInTimeStatements(input: PointInTimeInput): AnalysisStatement[] {
  const { view, records, probes, probeKeys, into } = input;
  const winners = `${into}_winners`;
  return [
    {
      sql: `create table ${winners} as ${winnersSql(view, `(select * from ${records} where available <= (select max(_at) from ${probes}))`)}`,
      note: `values of ${view.name}`,
    },
    {
      sql: `create table ${into} as select p._row, ${answerSql(view)} from ${probes} as p
        asof left join ${winners} as l on ${sameKey(view, probeKeys, "p")} and p._at >= l.available`,
    },
    { sql: `drop table ${winners}` },
  ];
}

/** The same straight from the definition, every record against every moment: slow, and therefore a check on a sample. */
export function pointInTimeOracle(input: PointInTimeInput): AnalysisStatement {
  const { view, records, probes, probeKeys, into } = input;
  return {
    sql: `create table ${into} as select p._row, ${answerSql(view)} from ${probes} as p
      left join (
        select p._row, max(struct_pack(event := l.event, available := l.available, sequence := l.sequence)) as best
        from ${probes} as p join ${records} as l on ${sameKey(view, probeKeys, "p")}
        where l.event <= p._at and l.available <= p._at group by p._row
      ) as b on b._row = p._row
      left join ${records} as l on l.sequence = b.best.sequence`,
    note: `checking ${view.name}`,
  };
}

/** What is said at `p._at` by the record `l`, which may be absent. */
function answerSql(view: ValueView): string {
  const status = `case when l.sequence is null or l.tombstone then 'not_found' when p._at - l.event > ${view.ttlMicros} then 'outside_max_age' else 'found' end`;
  const values = view.values.map(({ name }, index) => {
    const column = valueColumns(view)[index] ?? "";
    return `case when ${status} = 'found' then l.${column} end as ${quoteName(name)}`;
  });
  return [`${status} as _status`, "l.event as _as_of", ...values].join(", ");
}
