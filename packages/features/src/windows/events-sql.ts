import { quoteName, toDuckDbSql } from "@portolan/expressions";
import type { FeatureView, WindowFeature } from "../view-model.ts";

export interface WindowPlanInput {
  readonly view: FeatureView;
  /** Name of the relation of events. */
  readonly events: string;
  /** Relation of moments to answer: `_row` (unique), `_at` (epoch microseconds), and the key columns. */
  readonly probes: string;
  /** Key columns of `probes`, in the view's key order. */
  readonly probeKeys: readonly string[];
  /** Table to make: `_row` and one column per feature. */
  readonly into: string;
  /** Column of `events`: from this moment on the event is another one, or none (F31). Absent where an event stays. */
  readonly until?: string;
}

/** The part of a view that one plan computes: some of its features, at least one. */
export interface WindowPart<Feature extends WindowFeature> extends WindowPlanInput {
  readonly features: readonly Feature[];
}

/** Events of the view that may count: keys `k0`, `k1`, …, `event`, `available`, and what is asked of each. */
export function eventsSql({ view, events, until }: WindowPlanInput, cells: readonly string[]): string {
  const event = quoteName(view.eventTime);
  const keys = view.entity.map(({ column }, index) => `${quoteName(column)} as k${index}`);
  const columns = [
    ...keys,
    `${event} as event`,
    `${availableSql(event, toDuckDbSql(view.available))} as available`,
    ...(until === undefined ? [] : [`${quoteName(until)} as until`]),
    ...cells,
  ];
  return `(select ${columns.join(", ")} from ${events}
    where ${view.entity.map(({ column }) => `${quoteName(column)} is not null`).join(" and ")} and ${event} is not null)`;
}

/** When an event leaves a window; a null `until` is none, for `least` skips nulls. */
export function leavesSql({ until }: WindowPlanInput, windowMicros: number, table = ""): string {
  const end = `${table}event + ${windowMicros}`;
  return until === undefined ? end : `least(${end}, ${table}until)`;
}

/** Never before the event. DuckDB's `greatest` skips nulls, but an event of which nobody knows when it was known never counts. */
export function availableSql(event: string, available: string): string {
  return `(case when (${available}) is not null then greatest(${event}, ${available}) end)`;
}
