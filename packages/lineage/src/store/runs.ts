import { digestJson, type Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

export type RunState = "stated" | "running" | "completed" | "failed" | "aborted";

export interface StoredRun {
  readonly id: number;
  readonly state: RunState;
  readonly flowId: number | null;
}

/** A run, or (under `statedRun`) what an event stated of the job itself. */
export interface RunKey {
  readonly organisationId: string;
  readonly audienceId: number;
  readonly jobId: number;
  readonly runId: string;
}

export const statedRun = "job";

export async function findStoredRun(sql: Sql, key: RunKey): Promise<StoredRun | undefined> {
  const { rows } = await raw<{ id: number; state: RunState; flow_id: number | null }>`
    select id, state, flow_id from lineage.runs
    where audience_id = ${key.audienceId} and job_id = ${key.jobId} and run_id = ${key.runId}`.execute(sql);
  const [row] = rows;
  return row && { id: row.id, state: row.state, flowId: row.flow_id };
}

export async function saveRun(
  sql: Sql,
  key: RunKey,
  run: {
    readonly state: RunState;
    readonly flowId: number | null;
    readonly startedAt?: number;
    readonly endedAt?: number;
  },
): Promise<number> {
  const { state, flowId, startedAt = null, endedAt = null } = run;
  const { rows } = await raw<{ id: number }>`
    insert into lineage.runs as r (organisation_id, audience_id, run_id, job_id, state, flow_id, started_at, ended_at)
    values (${key.organisationId}, ${key.audienceId}, ${key.runId}, ${key.jobId}, ${state}, ${flowId}, ${startedAt}, ${endedAt})
    on conflict (audience_id, job_id, run_id) do update set state = excluded.state, flow_id = excluded.flow_id,
      started_at = least(r.started_at, excluded.started_at), ended_at = coalesce(r.ended_at, excluded.ended_at)
    returning id`.execute(sql);
  const [row] = rows;
  if (!row) throw new Error("a run that was saved has no row");
  return row.id;
}

export interface Flow {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

export async function readFlow(sql: Sql, flowId: number): Promise<Flow> {
  const { rows } = await raw<{ direction: "input" | "output"; dataset_id: number }>`
    select direction, dataset_id from lineage.flow_datasets where flow_id = ${flowId}`.execute(sql);
  const of = (side: "input" | "output") =>
    rows.filter(({ direction }) => direction === side).map((row) => row.dataset_id);
  return { inputs: of("input"), outputs: of("output") };
}

/** The flow of these datasets, the same for every run of the job that has the same. */
export async function takeFlow(
  sql: Sql,
  { audienceId, jobId }: Pick<RunKey, "audienceId" | "jobId">,
  flow: Flow,
): Promise<number> {
  const sorted = (ids: readonly number[]) => [...new Set(ids)].toSorted((a, b) => a - b);
  const [inputs, outputs] = [sorted(flow.inputs), sorted(flow.outputs)];
  const digest = digestJson({ inputs, outputs });
  const { rows } = await raw<{ id: number; added: boolean }>`
    with added as (
      insert into lineage.flows (audience_id, job_id, digest) values (${audienceId}, ${jobId}, ${digest})
      on conflict do nothing returning id
    )
    select id, true as added from added
    union all
    select id, false from lineage.flows where audience_id = ${audienceId} and job_id = ${jobId} and digest = ${digest}`.execute(
    sql,
  );
  const [row] = rows;
  if (!row) throw new Error("a flow that was just added is not there");
  if (row.added)
    await raw`insert into lineage.flow_datasets (flow_id, direction, dataset_id)
      select ${row.id}::bigint, 'input', d from unnest(${inputs}::bigint[]) as d
      union all select ${row.id}::bigint, 'output', d from unnest(${outputs}::bigint[]) as d`.execute(sql);
  return row.id;
}

/** What a run was said to read before more was said of it is kept only while another run has it. */
export async function dropUnusedFlow(sql: Sql, flowId: number): Promise<void> {
  await raw`delete from lineage.flows where id = ${flowId}
    and not exists (select from lineage.runs where flow_id = ${flowId})`.execute(sql);
}
