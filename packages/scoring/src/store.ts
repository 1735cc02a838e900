import type { Digest, Environment, Sql } from "@portolan/kernel";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { ScoredManifest, Scoring, ScoringPlan, ScoringRequest } from "./contract.ts";

type RunTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string;
  name: string;
  request: JSONColumnType<ScoringRequest>;
  plan: JSONColumnType<ScoringPlan>;
  job: string;
  state: Scoring["state"];
  manifest: JSONColumnType<ScoredManifest> | null;
  failure: string | null;
  started_by: string;
  started_at: number;
  finished_at: number | null;
};

type ChunkTable = {
  run_id: string;
  chunk: number;
  first_row: number;
  rows: number;
  refused: number;
  object: string;
  cpu_micros: number;
  scored_at: number;
  bytes_in: number | null;
  bytes_out: number | null;
};

type ScoringTables = {
  "scoring.runs": RunTable;
  "scoring.chunks": ChunkTable;
  "data.datasets_v1": {
    id: string;
    organisation_id: string;
    contract: string;
    environment: Environment;
    use_case_id: string | null;
    object: string;
    row_count: number;
    columns: { name: string }[];
  };
  "features.training_sets_v1": {
    id: string;
    organisation_id: string;
    environment: Environment;
    use_case_id: string | null;
    object: string;
    features: string[];
    label: string;
    manifest: { rowsAfter: number };
  };
};

const tables = (sql: Sql) => sql.withTables<ScoringTables>();

/** A snapshot that may be scored. */
export interface ScorableSnapshot {
  readonly id: string;
  readonly name: string;
  readonly kind: "dataset" | "training_set";
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly object: string;
  readonly rows: number;
  readonly columns: readonly string[];
  readonly features?: readonly string[];
}

export async function findSnapshot(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<ScorableSnapshot | undefined> {
  const dataset = await tables(sql)
    .selectFrom("data.datasets_v1")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (dataset)
    return {
      id,
      name: dataset.contract,
      kind: "dataset",
      environment: dataset.environment,
      ...(dataset.use_case_id === null ? {} : { useCaseId: dataset.use_case_id }),
      object: dataset.object,
      rows: dataset.row_count,
      columns: dataset.columns.map(({ name }) => name),
    };
  const set = await tables(sql)
    .selectFrom("features.training_sets_v1")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return (
    set && {
      id,
      name: id,
      kind: "training_set",
      environment: set.environment,
      ...(set.use_case_id === null ? {} : { useCaseId: set.use_case_id }),
      object: set.object,
      rows: set.manifest.rowsAfter,
      // Row number of the dataset and event time are in every set.
      columns: ["_row", "_at", ...set.features, set.label],
      features: set.features,
    }
  );
}

export interface NewRun {
  readonly id: string;
  readonly organisationId: string;
  readonly request: ScoringRequest;
  readonly plan: ScoringPlan;
  readonly job: string;
  readonly by: string;
  readonly at: number;
}

export async function insertRun(sql: Sql, run: NewRun): Promise<void> {
  await tables(sql)
    .insertInto("scoring.runs")
    .values({
      id: run.id,
      organisation_id: run.organisationId,
      environment: run.request.environment,
      use_case_id: run.plan.useCaseId,
      name: run.request.out,
      request: JSON.stringify(run.request),
      plan: JSON.stringify(run.plan),
      job: run.job,
      state: "waiting",
      started_by: run.by,
      started_at: run.at,
    })
    .execute();
}

export async function markRunning(sql: Sql, id: string): Promise<void> {
  await tables(sql)
    .updateTable("scoring.runs")
    .set({ state: "running" })
    .where("id", "=", id)
    .where("state", "=", "waiting")
    .execute();
}

/** It has been put off. */
export async function markWaiting(sql: Sql, id: string): Promise<void> {
  await tables(sql)
    .updateTable("scoring.runs")
    .set({ state: "waiting" })
    .where("id", "=", id)
    .where("state", "=", "running")
    .execute();
}

export async function insertChunk(sql: Sql, chunk: ChunkTable): Promise<void> {
  await tables(sql).insertInto("scoring.chunks").values(chunk).execute();
}

export async function finishRun(sql: Sql, id: string, manifest: ScoredManifest, now: number): Promise<void> {
  await tables(sql)
    .updateTable("scoring.runs")
    .set({ state: "ready", manifest: JSON.stringify(manifest), finished_at: now })
    .where("id", "=", id)
    .execute();
}

/** False when it has ended already. */
export async function closeRun(
  sql: Sql,
  id: string,
  end: { readonly state: "failed" | "cancelled"; readonly reason: string; readonly now: number },
): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("scoring.runs")
    .set({ state: end.state, failure: end.reason.slice(0, 500), finished_at: end.now })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

export interface StoredRun {
  readonly scoring: Scoring;
  readonly environment: Environment;
  readonly useCaseId: string;
}

export async function findRun(sql: Sql, organisationId: string, id: string): Promise<StoredRun | undefined> {
  const row = await tables(sql)
    .selectFrom("scoring.runs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && storedRun(row);
}

/** Runs whose snapshot, or a chunk of it, is these bytes. */
export async function runsNaming(sql: Sql, organisationId: string, object: Digest): Promise<StoredRun[]> {
  const rows = await tables(sql)
    .selectFrom("scoring.runs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where((where) =>
      where.or([
        raw<boolean>`manifest ->> 'object' = ${object}`,
        where("id", "in", where.selectFrom("scoring.chunks").select("run_id").where("object", "=", object)),
      ]),
    )
    .execute();
  return rows.map(storedRun);
}

/** Newest first. */
export async function listRuns(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<StoredRun[]> {
  const rows = await tables(sql)
    .selectFrom("scoring.runs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", environments)
    .orderBy("started_at", "desc")
    .limit(200)
    .execute();
  return rows.map(storedRun);
}

function storedRun(row: Selectable<RunTable>): StoredRun {
  return {
    environment: row.environment,
    useCaseId: row.use_case_id,
    scoring: {
      id: row.id,
      state: row.state,
      request: row.request,
      plan: row.plan,
      job: row.job,
      ...(row.manifest === null ? {} : { manifest: row.manifest }),
      ...(row.failure === null ? {} : { failure: row.failure }),
      startedBy: row.started_by,
      startedAt: row.started_at,
      ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    },
  };
}

/** Runs of every state, with the chunks that they came to, of an organisation in these environments. */
export async function runsWithChunks(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<{ readonly run: Selectable<RunTable>; readonly chunks: readonly string[] }[]> {
  const runs = await tables(sql)
    .selectFrom("scoring.runs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", [...environments])
    .orderBy("id")
    .execute();
  return Promise.all(
    runs.map(async (run) => {
      const chunks = await tables(sql)
        .selectFrom("scoring.chunks")
        .select("object")
        .where("run_id", "=", run.id)
        .execute();
      return { run, chunks: chunks.map(({ object }) => object) };
    }),
  );
}

/** A run whose rows are gone, ready or on its way: it is scored again where it is needed. */
export async function withdrawRun(sql: Sql, id: string, now: number): Promise<void> {
  await tables(sql)
    .updateTable("scoring.runs")
    .set({
      state: "failed",
      failure: "rows of a data subject were erased from what it was made of: score it again",
      finished_at: now,
    })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running", "ready"])
    .execute();
}

/** Asked in the transaction that adds to a run: one that was withdrawn, or has ended, takes nothing more. */
export async function isRunning(sql: Sql, id: string): Promise<boolean> {
  const row = await tables(sql)
    .selectFrom("scoring.runs")
    .select("id")
    .where("id", "=", id)
    .where("state", "=", "running")
    .executeTakeFirst();
  return row !== undefined;
}
