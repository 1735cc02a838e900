import type { AnalysisStatement } from "@portolan/data/contract";
import { type Expression, quoteText, toDuckDbSql } from "@portolan/expressions";
import { featureTextSql, isLongTextSql } from "../feature-value.ts";
import type { LogView, ValueView } from "../view-model.ts";
import {
  keyColumns,
  leftOutSql,
  recordRowsSql,
  segmentsRelation,
  tombstoneSql,
  valueColumns,
} from "./log-sql.ts";

export interface SegmentPlanInput<View extends LogView = ValueView> {
  readonly view: View;
  /** Local Parquet file of the dataset. */
  readonly dataset: string;
  /** Local Parquet files of the log's segments that may hold events of the dataset's times. */
  readonly segments: readonly string[];
  /** Sequence of the log's last record; 0 when it has none. */
  readonly lastSequence: number;
  /**
   * True for a batch that is older than what the log has, e.g. one that was judged again: it adds what the log says nothing of, and restates
   * nothing.
   */
  readonly isOlder: boolean;
  /** Parquet file to write. */
  readonly output: string;
}

/**
 * The next segment of a log: the records that a dataset adds, in the order of its rows (F15, F21). A cell is what has one entity, event time
 * and availability: of a dataset its last row counts, and what the log says already is not said again. Result: `counts`.
 */
export function segmentStatements(input: SegmentPlanInput): AnalysisStatement[] {
  const { view, segments, lastSequence, output } = input;
  const keys = keyColumns(view);
  const values = valueColumns(view);
  const cell = [...keys, "event", "available"].join(", ");
  const said = `struct_pack(tombstone := tombstone, ${values.map((name) => `${name} := ${name}`).join(", ")})`;
  const same = [...keys, "event", "available"].map((name) => `i.${name} = c.${name}`).join(" and ");
  return [
    {
      sql: `create table incoming as select * from (${rowsSql(input)}) qualify row_number() over (partition by ${cell} order by _row desc) = 1`,
      note: `records of ${view.name}`,
    },
    {
      sql:
        segments.length === 0
          ? `create table cells as select ${cell}, ${said} as said from incoming limit 0`
          : `create table cells as select ${cell}, arg_max(${said}, sequence) as said from ${segmentsRelation(segments)}
              where event between (select min(event) from incoming) and (select max(event) from incoming) group by ${cell}`,
    },
    {
      sql: `create table fresh as select i.* from (select *, ${said} as says from incoming) as i left join cells as c on ${same}
        where c.event is null ${input.isOlder ? "" : "or i.says is distinct from c.said"}`,
    },
    {
      sql: `copy (select ${lastSequence} + row_number() over (order by _row) as sequence, ${cell}, tombstone, ${values.join(", ")} from fresh order by sequence)
        to ${quoteText(output)} (format parquet, compression zstd, row_group_size 122880)`,
      note: "writing the segment",
    },
    {
      sql: `select count(*) as records, min(event) as min_event, max(event) as max_event, ${leftOutSql(view, input.dataset, rowsSql(input))}, ${longTextsSql(view, input.dataset)} as long_texts from fresh`,
      returns: "counts",
    },
  ];
}

function valueSql(value: Expression): string {
  const sql = toDuckDbSql(value);
  if (value.type === "text") return featureTextSql(sql);
  return value.type === "bool" ? `(${sql})::bigint` : sql;
}

/** How many values of a dataset's rows are texts that are too long to be one (F74). */
function longTextsSql(view: ValueView, dataset: string): string {
  const tombstone = tombstoneSql(view);
  const long = view.values.flatMap(({ value }) =>
    value.type === "text"
      ? [`count(*) filter (not ${tombstone} and ${isLongTextSql(toDuckDbSql(value))})`]
      : [],
  );
  return long.length === 0 ? "0" : `(select ${long.join(" + ")} from read_parquet(${quoteText(dataset)}))`;
}

/** The rows as records, with the values of the view's expressions; a tombstone has none. */
function rowsSql({ view, dataset }: SegmentPlanInput): string {
  const tombstone = tombstoneSql(view);
  const values = view.values.map(({ value }, index) => {
    return `case when not ${tombstone} then ${valueSql(value)} end as v${index}`;
  });
  return recordRowsSql(view, dataset, values);
}
