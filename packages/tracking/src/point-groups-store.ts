import { plannedOnce, type Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { float8Array, int4Array, int8Array } from "./binary-arrays.ts";
import { columnsOf, type PointBlock, type PointGroup } from "./point-groups.ts";

/** What became of a group. */
export interface WrittenGroup {
  /** Runs that take what is logged to them; the others' part is not written. */
  readonly taken: ReadonlySet<string>;
  /** Runs that have metrics now which they had not. */
  readonly grown: readonly string[];
}

/**
 * Writes a group in one statement: counts its bytes, holding the rows of its runs until the transaction ends, adds its blocks and moves
 * latest values on. A run that is not open, or would have logged more than it may, is left out.
 */
export async function addGroup(
  sql: Sql,
  { runs, blocks, latest }: PointGroup,
  { now, mostBytes }: { readonly now: number; readonly mostBytes: number },
): Promise<WrittenGroup> {
  const points = latest.map(({ point }) => point);
  const flat = flatten(blocks);
  const { rows } = await raw<{ taken: string[]; grown: string[] }>`
    with asked as (
      select * from unnest(${runs.map(({ runId }) => runId)}::text[], ${runs.map((run) => run.organisationId)}::text[],
        ${runs.map(({ bytes }) => bytes)}::bigint[]) as a(run_id, organisation_id, bytes)
    ), taken as (
      update tracking.runs as r set logged_bytes = r.logged_bytes + a.bytes from asked as a
      where r.run_id = a.run_id and r.organisation_id = a.organisation_id and r.logged_bytes + a.bytes <= ${mostBytes}
        and (r.token_expires_at > ${now} or (r.origin = 'client' and r.deleted_at is null))
      returning r.run_id, coalesce(r.use_case_id, r.organisation_id) || '-' || r.environment as experiment_id
    ), blocks as (
      insert into tracking.metric_blocks
        (run_id, digest, keys, key_of, point_values, timestamps_ms, steps, logged_at)
      select b.run_id, b.digest, (${flat.keys}::text[])[b.key_first:b.key_last], (${int4Array(flat.keyOf)}::integer[])[b.first:b.last],
        (${float8Array(flat.values)}::float8[])[b.first:b.last], (${int8Array(flat.timestampsMs)}::bigint[])[b.first:b.last],
        (${int8Array(flat.steps)}::bigint[])[b.first:b.last], ${now}::bigint
      from unnest(${blocks.map(({ runId }) => runId)}::text[], ${blocks.map(({ digest }) => digest)}::text[],
        ${flat.keyFirsts}::integer[], ${flat.keyLasts}::integer[], ${flat.firsts}::integer[], ${flat.lasts}::integer[])
        as b(run_id, digest, key_first, key_last, first, last)
      join taken on taken.run_id = b.run_id
      on conflict do nothing
    ), latest as (
      insert into tracking.latest_metrics as l (run_id, key, value, timestamp_ms, step, experiment_id)
      select t.run_id, p.key, p.value, p.timestamp_ms, p.step, t.experiment_id
      from unnest(${latest.map(({ runId }) => runId)}::text[], ${points.map(({ key }) => key)}::text[],
        ${points.map(({ value }) => value)}::float8[], ${points.map(({ timestampMs }) => timestampMs)}::bigint[],
        ${points.map(({ step }) => step)}::bigint[]) as p(run_id, key, value, timestamp_ms, step)
      join taken as t on t.run_id = p.run_id
      on conflict (run_id, key) do update
      set value = excluded.value, timestamp_ms = excluded.timestamp_ms, step = excluded.step
      where (excluded.step, excluded.timestamp_ms, excluded.value) > (l.step, l.timestamp_ms, l.value)
      returning l.run_id, l.xmax::text = '0' as is_new
    )
    select (select coalesce(array_agg(run_id), '{}') from taken) as taken,
      (select coalesce(array_agg(distinct run_id), '{}') from latest where is_new) as grown ${raw.raw(plannedOnce)}`.execute(
    sql,
  );
  const [row] = rows;
  return { taken: new Set(row?.taken), grown: row?.grown ?? [] };
}

/** The columns of all blocks one after the other, and where each block's part begins and ends, from 1: one text for any number of blocks. */
function flatten(blocks: readonly PointBlock[]) {
  const flat = {
    keys: [] as string[],
    keyOf: [] as number[],
    values: [] as number[],
    timestampsMs: [] as number[],
    steps: [] as number[],
    keyFirsts: [] as number[],
    keyLasts: [] as number[],
    firsts: [] as number[],
    lasts: [] as number[],
  };
  for (const { points } of blocks) {
    const { keys, keyOf, values, timestampsMs, steps } = columnsOf(points);
    flat.keyFirsts.push(flat.keys.length + 1);
    flat.firsts.push(flat.keyOf.length + 1);
    flat.keys.push(...keys);
    flat.keyOf.push(...keyOf);
    flat.values.push(...values);
    flat.timestampsMs.push(...timestampsMs);
    flat.steps.push(...steps);
    flat.keyLasts.push(flat.keys.length);
    flat.lasts.push(flat.keyOf.length);
  }
  return flat;
}

/** Of these runs those that have more metrics than one may. */
export async function findCrowded(sql: Sql, runIds: readonly string[], most: number): Promise<string[]> {
  if (runIds.length === 0) return [];
  const { rows } = await raw<{ run_id: string }>`
    select run_id from tracking.latest_metrics where run_id = any(${[...runIds]}::text[])
    group by run_id having count(*) > ${most}`.execute(sql);
  return rows.map(({ run_id }) => run_id);
}
