import { quoteName } from "@portolan/expressions";
import { keyColumns, valueColumn } from "../log/log-sql.ts";
import type { EventView, FeatureView } from "../view-model.ts";
import { keptType, operandIndex, operandsOf } from "./operands.ts";

/**
 * A view of windows as the relation of its log states it: keys are text, times are columns, and each feature aggregates a column that is
 * there. The plans of docs/spec/features.md §1 run on it as they run on a dataset. Pure.
 */
export function loggedForm(view: EventView): FeatureView {
  const operands = operandsOf(view);
  const { identity: _, tombstone: __, ...plain } = view;
  return {
    ...plain,
    entity: view.entity.map(({ name }, index) => ({ name, column: keyColumns(view)[index] ?? "" })),
    eventTime: "event",
    available: { op: "column", name: "available", type: "instant" },
    features: view.features.map(({ of, ...feature }) => {
      if (!of) return feature;
      const name = valueColumn(operandIndex(operands, { ...feature, of }));
      return { ...feature, of: { op: "column", name, type: keptType(of) } };
    }),
  };
}

/**
 * Every version of an event, with the moment from which another one, or a withdrawal, speaks in its place (`until`, null where none does): as the
 * log's withdrawals say.
 *
 * @param records relation of the log's lines
 */
export function versionsSql(records: string): string {
  return `(select v.* exclude (withdraws, tombstone), w.until from ${records} as v
    left join (select withdraws, min(available) as until from ${records} where withdraws is not null group by withdraws) as w on w.withdraws = v.sequence
    where v.withdraws is null and not v.tombstone)`;
}

/** The same from the definition: an event's versions are in the order of (available, sequence), and each ends where the next is known. */
export function versionsOracleSql(records: string): string {
  return `(select * exclude (withdraws, tombstone) from (
      select *, lead(available) over (partition by id order by available, sequence) as until from ${records} where withdraws is null
    ) where not tombstone)`;
}

/** The moments that are asked about, with keys as the log states them. */
export function askedSql(view: EventView, probes: string, probeKeys: readonly string[]): string {
  const keys = keyColumns(view).map(
    (key, index) => `cast(${quoteName(probeKeys[index] ?? key)} as varchar) as ${key}`,
  );
  return `(select _row, _at, ${keys.join(", ")} from ${probes})`;
}
