import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { FacetOwner } from "./facets.ts";
import type { Scope } from "./find-nodes.ts";
import type { RunState } from "./runs.ts";

export type Direction = "upstream" | "downstream";

export interface FlowRow {
  readonly id: number;
  readonly jobId: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** Flows that wrote (upstream) or read (downstream) one of the datasets, at most `limit`. */
export async function flowsAt(
  sql: Sql,
  { audiences }: Scope,
  datasetIds: readonly number[],
  direction: Direction,
  limit: number,
): Promise<number[]> {
  const side = direction === "upstream" ? "output" : "input";
  const { rows } = await raw<{ id: number }>`
    select distinct f.id from lineage.flow_datasets as d join lineage.flows as f on f.id = d.flow_id
    where d.dataset_id = any(${datasetIds}::bigint[]) and d.direction = ${side} and f.audience_id = any(${audiences}::bigint[])
    order by f.id desc limit ${limit}`.execute(sql);
  return rows.map(({ id }) => id);
}

/** Flows of a job, the newest first. */
export async function flowsOfJobs(
  sql: Sql,
  { audiences }: Scope,
  jobIds: readonly number[],
  limit: number,
): Promise<number[]> {
  const { rows } = await raw<{ id: number }>`
    select id from lineage.flows where job_id = any(${jobIds}::bigint[]) and audience_id = any(${audiences}::bigint[])
    order by id desc limit ${limit}`.execute(sql);
  return rows.map(({ id }) => id);
}

export async function readFlows(sql: Sql, ids: readonly number[]): Promise<FlowRow[]> {
  const { rows } = await raw<{
    id: number;
    job_id: number;
    inputs: number[] | null;
    outputs: number[] | null;
  }>`
    select f.id, f.job_id,
      json_agg(d.dataset_id order by d.dataset_id) filter (where d.direction = 'input') as inputs,
      json_agg(d.dataset_id order by d.dataset_id) filter (where d.direction = 'output') as outputs
    from lineage.flows as f join lineage.flow_datasets as d on d.flow_id = f.id
    where f.id = any(${ids}::bigint[]) group by f.id order by f.id`.execute(sql);
  return rows.map((row) => ({
    id: row.id,
    jobId: row.job_id,
    inputs: row.inputs ?? [],
    outputs: row.outputs ?? [],
  }));
}

export interface NamedNode {
  readonly id: number;
  readonly namespace: string;
  readonly name: string;
}

export async function readNames(
  sql: Sql,
  table: "datasets" | "jobs",
  ids: readonly number[],
): Promise<NamedNode[]> {
  const { rows } = await raw<NamedNode>`
    select id, namespace, name from ${raw.table(`lineage.${table}`)} where id = any(${ids}::bigint[]) order by id`.execute(
    sql,
  );
  return rows;
}

export interface FacetRow {
  readonly owner: FacetOwner;
  readonly ownerId: number;
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The newest word of each facet over all audiences of the scope. */
export async function readFacets(
  sql: Sql,
  { audiences }: Scope,
  owners: readonly FacetOwner[],
  ids: readonly number[],
): Promise<FacetRow[]> {
  const { rows } = await raw<{
    owner: FacetOwner;
    owner_id: number;
    name: string;
    body: FacetRow["body"] | null;
  }>`
    select distinct on (owner, owner_id, name) owner, owner_id, name, body from lineage.facets
    where owner = any(${owners}::text[]) and owner_id = any(${ids}::bigint[]) and audience_id = any(${audiences}::bigint[])
    order by owner, owner_id, name, event_at desc, event_nanos desc`.execute(sql);
  return rows.flatMap(({ owner, owner_id: ownerId, name, body }) =>
    body === null ? [] : [{ owner, ownerId, name, body }],
  );
}

export interface RunRow {
  readonly id: number;
  readonly jobId: number;
  readonly runId: string;
  readonly state: RunState;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

/** The newest run of each job among the flows that are shown. */
export async function latestRuns(sql: Sql, flowIds: readonly number[]): Promise<RunRow[]> {
  const { rows } = await raw<{
    id: number;
    job_id: number;
    run_id: string;
    state: RunState;
    started_at: number | null;
    ended_at: number | null;
  }>`select distinct on (job_id) id, job_id, run_id, state, started_at, ended_at from lineage.runs
    where flow_id = any(${flowIds}::bigint[]) order by job_id, started_at desc nulls last, id desc`.execute(
    sql,
  );
  return rows.map((row) => ({
    id: row.id,
    jobId: row.job_id,
    runId: row.run_id,
    state: row.state,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  }));
}

export async function aliasesOf(
  sql: Sql,
  { organisationId, audiences }: Scope,
  datasetIds: readonly number[],
): Promise<{ readonly alias: string; readonly datasetId: number }[]> {
  const { rows } = await raw<{ alias: string; dataset_id: number }>`
    select distinct alias, dataset_id from lineage.aliases where organisation_id = ${organisationId}
      and dataset_id = any(${datasetIds}::bigint[]) and audience_id = any(${audiences}::bigint[]) order by alias`.execute(
    sql,
  );
  return rows.map(({ alias, dataset_id: datasetId }) => ({ alias, datasetId }));
}

/** A column, or (`field` null) a dataset as a whole. */
export interface ColumnKey {
  readonly datasetId: number;
  readonly field: string | null;
}

export interface ColumnEdgeRow {
  readonly to: ColumnKey;
  readonly from: ColumnKey;
  readonly transformations: unknown;
}

/** Edges into the columns (upstream) or out of them (downstream). What touches a whole dataset touches its columns. */
export async function columnEdgesAt(
  sql: Sql,
  { audiences }: Scope,
  keys: readonly ColumnKey[],
  direction: Direction,
  limit: number,
): Promise<ColumnEdgeRow[]> {
  const ids = keys.map(({ datasetId }) => datasetId);
  const fields = keys.map(({ field }) => field);
  const on =
    direction === "upstream"
      ? raw`e.dataset_id = k.dataset_id and (e.field = k.field or e.field is null or k.field is null)`
      : raw`e.from_dataset_id = k.dataset_id and (e.from_field = k.field or k.field is null)`;
  const { rows } = await raw<{
    dataset_id: number;
    field: string | null;
    from_dataset_id: number;
    from_field: string;
    transformations: unknown;
  }>`select distinct e.dataset_id, e.field, e.from_dataset_id, e.from_field, e.transformations
    from unnest(${ids}::bigint[], ${fields}::text[]) as k(dataset_id, field) join lineage.column_edges as e on ${on}
    where e.audience_id = any(${audiences}::bigint[]) order by 1, 2, 3, 4 limit ${limit}`.execute(sql);
  return rows.map((row) => ({
    to: { datasetId: row.dataset_id, field: row.field },
    from: { datasetId: row.from_dataset_id, field: row.from_field },
    transformations: row.transformations,
  }));
}
