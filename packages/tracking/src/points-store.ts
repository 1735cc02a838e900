import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { float8Array, int4Array, int8Array } from "./binary-arrays.ts";
import type { MetricPoint } from "./contract.ts";
import { columnsOf } from "./point-groups.ts";

/** Stores the points of one request as one row; the same points again change nothing. */
export async function addBlock(
  sql: Sql,
  of: { readonly runId: string; readonly digest: string; readonly now: number },
  points: readonly MetricPoint[],
): Promise<void> {
  const { keys, keyOf, values, timestampsMs, steps } = columnsOf(points);
  await raw`insert into tracking.metric_blocks
      (run_id, digest, keys, key_of, point_values, timestamps_ms, steps, logged_at)
    values (${of.runId}, ${of.digest}, ${keys}::text[], ${int4Array(keyOf)}::integer[], ${float8Array(values)}::float8[],
      ${int8Array(timestampsMs)}::bigint[], ${int8Array(steps)}::bigint[], ${of.now})
    on conflict do nothing`.execute(sql);
}

/** Moves latest values on, where these are greater by (step, timestamp, value). At most one point per key. */
export async function raiseLatest(sql: Sql, runId: string, points: readonly MetricPoint[]): Promise<void> {
  await raw`insert into tracking.latest_metrics as latest (run_id, key, value, timestamp_ms, step, experiment_id)
    select r.run_id, p.key, p.value, p.timestamp_ms, p.step, coalesce(r.use_case_id, r.organisation_id) || '-' || r.environment
    from tracking.runs as r, unnest(${points.map(({ key }) => key)}::text[], ${points.map(({ value }) => value)}::float8[],
      ${points.map(({ timestampMs }) => timestampMs)}::bigint[], ${points.map(({ step }) => step)}::bigint[])
      as p(key, value, timestamp_ms, step)
    where r.run_id = ${runId}
    on conflict (run_id, key) do update
    set value = excluded.value, timestamp_ms = excluded.timestamp_ms, step = excluded.step
    where (excluded.step, excluded.timestamp_ms, excluded.value) > (latest.step, latest.timestamp_ms, latest.value)`.execute(
    sql,
  );
}

/** Where a page of points ends. */
export type PointPosition = Omit<MetricPoint, "key">;

/** Points of one metric after a position, each once, by (timestamp, step, value) as MLflow's own store sorts them. */
export async function readPoints(
  sql: Sql,
  of: { readonly runId: string; readonly key: string },
  page: { readonly after?: PointPosition; readonly most: number },
): Promise<PointPosition[]> {
  const after = page.after
    ? raw`and (p.timestamp_ms, p.step, p.value) > (${page.after.timestampMs}::bigint, ${page.after.step}::bigint, ${page.after.value}::float8)`
    : raw``;
  const { rows } = await raw<{ value: number; timestamp_ms: number; step: number }>`
    select p.value, p.timestamp_ms, p.step
    from tracking.metric_blocks b
    cross join lateral unnest(b.key_of, b.point_values, b.timestamps_ms, b.steps) as p(key, value, timestamp_ms, step)
    where b.run_id = ${of.runId} and ${of.key} = any(b.keys) and b.keys[p.key] = ${of.key} ${after}
    group by p.value, p.timestamp_ms, p.step
    order by p.timestamp_ms, p.step, p.value
    limit ${page.most}`.execute(sql);
  return rows.map(({ value, timestamp_ms: timestampMs, step }) => ({ value, timestampMs, step }));
}

export interface PointOfRun extends PointPosition {
  readonly runId: string;
}

export interface PointInterval {
  readonly runIds: readonly string[];
  readonly key: string;
  /** Both included; absent: all steps. */
  readonly steps?: { readonly first: number; readonly last: number };
  /** Different steps, spread evenly, the last one among them. */
  readonly mostSteps: number;
}

/** Points of one metric in several runs, at steps that are the same for all, by run, step, time and value. */
export async function readInterval(
  sql: Sql,
  { runIds, key, steps, mostSteps }: PointInterval,
): Promise<PointOfRun[]> {
  const within = steps ? raw`and p.step between ${steps.first}::bigint and ${steps.last}::bigint` : raw``;
  const { rows } = await raw<{ run_id: string; value: number; timestamp_ms: number; step: number }>`
    with points as (
      select distinct b.run_id, p.value, p.timestamp_ms, p.step
      from tracking.metric_blocks b
      cross join lateral unnest(b.key_of, b.point_values, b.timestamps_ms, b.steps) as p(key, value, timestamp_ms, step)
      where b.run_id = any(${[...runIds]}::text[]) and ${key} = any(b.keys) and b.keys[p.key] = ${key} ${within}
    ), numbered as (
      select step, row_number() over (order by step) as place, count(*) over () as steps from (select distinct step from points) s
    )
    select run_id, value, timestamp_ms, step from points
    where step in (
      select step from numbered
      where place = steps or (place - 1) % ceil(steps / ${mostSteps}::numeric) = 0)
    order by run_id, step, timestamp_ms, value`.execute(sql);
  return rows.map(({ run_id: runId, value, timestamp_ms: timestampMs, step }) => ({
    runId,
    value,
    timestampMs,
    step,
  }));
}
