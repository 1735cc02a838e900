import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName, toDuckDbSql } from "@portolan/expressions";
import { type FeatureView, isValueView, storedNamesOf, textNamesOf } from "../view-model.ts";

export interface OnDemandPlanInput {
  readonly view: FeatureView;
  /** Relation of what the store keeps: `_row` and one column per stored feature, `_status` of a view of values. */
  readonly stored: string;
  /** Relation of `_row` and the request fields. */
  readonly requests: string;
  /** Columns of `requests`, in the order of the view's request fields. */
  readonly fields: readonly string[];
  /** Table to make: `stored` with the on-demand features. */
  readonly into: string;
}

/** On-demand features beside the stored ones of each row; a row that is not `found` has none (F62). */
export function onDemandStatement(input: OnDemandPlanInput): AnalysisStatement {
  const { view, stored, requests, fields, into } = input;
  const { request = [], onDemand = [] } = view;
  const texts = textNamesOf(view);
  const read = [
    ...request.map(({ name }, index) => `f.${quoteName(fields[index] ?? name)} as ${quoteName(name)}`),
    ...storedNamesOf(view).map(
      (name) => `s.${quoteName(name)}${texts.includes(name) ? "" : "::double"} as ${quoteName(name)}`,
    ),
  ];
  const values = onDemand.map(({ name, value }) => {
    const sql = toDuckDbSql(value);
    const number = value.type === "bool" ? `(${sql})::bigint` : sql;
    return `${isValueView(view) ? `case when _status = 'found' then ${number} end` : number} as ${quoteName(name)}`;
  });
  const status = isValueView(view) ? "s._status, " : "";
  return {
    sql: `create table ${into} as select s.*, d.* exclude (_row) from ${stored} as s join (
        select _row, ${values.join(", ")} from (
          select s._row, ${status}${read.join(", ")} from ${stored} as s join ${requests} as f on f._row = s._row
        )) as d on d._row = s._row`,
    note: `on demand of ${view.name}`,
  };
}

/**
 * A view's derivation with its on-demand features: `derive` makes the stored ones into the table that it is given.
 */
export function withOnDemand(
  input: Omit<OnDemandPlanInput, "stored">,
  derive: (into: string) => readonly AnalysisStatement[],
): AnalysisStatement[] {
  const { view, into } = input;
  if (!view.onDemand) return [...derive(into)];
  const stored = `${into}_stored`;
  return [...derive(stored), onDemandStatement({ ...input, stored }), { sql: `drop table ${stored}` }];
}
