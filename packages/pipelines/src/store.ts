import type { CallContext, Environment, Sql, Transaction } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { Made, Parameters, PipelineRun, RunState, StageStanding } from "./contract.ts";
import type { Stage, StageKind } from "./stages.ts";

type RunTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string;
  pipeline: string;
  version: number;
  digest: string;
  model: string;
  stages: JSONColumnType<Stage[]>;
  parameters: JSONColumnType<Parameters>;
  cause: PipelineRun["cause"];
  priority: number;
  call: JSONColumnType<CallContext>;
  state: RunState;
  at: number;
  standings: JSONColumnType<StageStanding[]>;
  made: JSONColumnType<Made>;
  keys: JSONColumnType<Keys>;
  faults: number;
  not_before: number | null;
  problem: string | null;
  cancel_reason: string | null;
  revision: number;
  requested_by: string;
  started_at: number;
  ended_at: number | null;
};

type ResultTable = {
  organisation_id: string;
  environment: Environment;
  use_case_id: string;
  kind: string;
  key: string;
  run_id: string;
  made: JSONColumnType<Made>;
  made_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "pipelines.runs": RunTable; "pipelines.results": ResultTable }>();

/** Digests of what stages are done from. */
export type Keys = Readonly<Partial<Record<StageKind, string>>>;

/** What a run is, and never becomes anything else. */
export interface RunBeginning {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly pipeline: string;
  readonly version: number;
  readonly digest: string;
  readonly model: string;
  readonly stages: readonly Stage[];
  readonly parameters: Parameters;
  readonly cause: PipelineRun["cause"];
  readonly priority: number;
  readonly call: CallContext;
  readonly requestedBy: string;
}

/** What changes while it goes on. */
export interface RunProgress {
  readonly state: RunState;
  /** The stage that is under way, from 0 on. */
  readonly at: number;
  readonly standings: readonly StageStanding[];
  readonly made: Made;
  readonly keys: Keys;
  /** Looks at the present try that failed. */
  readonly faults: number;
  /** When it is looked at again, epoch microseconds. */
  readonly notBefore: number | null;
  readonly problem: string | null;
  readonly cancelReason: string | null;
}

export interface StoredRun extends RunBeginning, RunProgress {
  readonly revision: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

export async function insertRun(tx: Transaction, run: RunBeginning): Promise<StoredRun> {
  const standings = run.stages.map(
    ({ kind }): StageStanding => ({
      kind,
      state: "waiting",
      tries: 0,
      startedAt: null,
      endedAt: null,
      note: "",
      reusedFrom: null,
    }),
  );
  const row = await tables(tx.sql)
    .insertInto("pipelines.runs")
    .values({
      id: run.id,
      organisation_id: tx.call.actor.organisationId,
      environment: run.environment,
      use_case_id: run.useCaseId,
      pipeline: run.pipeline,
      version: run.version,
      digest: run.digest,
      model: run.model,
      stages: JSON.stringify(run.stages),
      parameters: JSON.stringify(run.parameters),
      cause: run.cause,
      priority: run.priority,
      call: JSON.stringify(run.call),
      state: "running",
      at: 0,
      standings: JSON.stringify(standings),
      made: JSON.stringify({}),
      keys: JSON.stringify({}),
      faults: 0,
      not_before: null,
      problem: null,
      cancel_reason: null,
      revision: 0,
      requested_by: run.requestedBy,
      started_at: tx.now,
      ended_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return storedOf(row);
}

const all = (sql: Sql, organisationId: string) =>
  tables(sql).selectFrom("pipelines.runs").selectAll().where("organisation_id", "=", organisationId);

export async function findPipelineRun(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredRun | undefined> {
  const row = await all(sql, organisationId).where("id", "=", id).executeTakeFirst();
  return row && storedOf(row);
}

/** Those that are under way, the higher priority first, then the older one. */
export async function listOpenRuns(sql: Sql, organisationId: string): Promise<StoredRun[]> {
  const rows = await all(sql, organisationId)
    .where("ended_at", "is", null)
    .orderBy("priority", "desc")
    .orderBy("started_at")
    .execute();
  return rows.map(storedOf);
}

/** Whether one of the pipeline is under way. */
export async function hasOpenRun(
  sql: Sql,
  of: { readonly organisationId: string; readonly environment: Environment; readonly pipeline: string },
): Promise<boolean> {
  const row = await all(sql, of.organisationId)
    .where("environment", "=", of.environment)
    .where("pipeline", "=", of.pipeline)
    .where("ended_at", "is", null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

const mostListed = 100;

/** The newest first; of one pipeline where it is named. */
export async function listRuns(
  sql: Sql,
  organisationId: string,
  of: { readonly pipeline?: string; readonly environment?: Environment },
): Promise<StoredRun[]> {
  let query = all(sql, organisationId);
  if (of.pipeline !== undefined) query = query.where("pipeline", "=", of.pipeline);
  if (of.environment !== undefined) query = query.where("environment", "=", of.environment);
  const rows = await query.orderBy("started_at", "desc").orderBy("id", "desc").limit(mostListed).execute();
  return rows.map(storedOf);
}

/** @returns false when it is over, or was changed meanwhile: whoever was quicker has moved it */
export async function changeRun(
  tx: Transaction,
  { id, revision, ...before }: StoredRun,
  change: Partial<RunProgress>,
): Promise<boolean> {
  const now: RunProgress = { ...before, ...change };
  const changed = await tables(tx.sql)
    .updateTable("pipelines.runs")
    .set({
      state: now.state,
      at: now.at,
      standings: JSON.stringify(now.standings),
      made: JSON.stringify(now.made),
      keys: JSON.stringify(now.keys),
      faults: now.faults,
      not_before: now.notBefore,
      problem: now.problem,
      cancel_reason: now.cancelReason,
      revision: revision + 1,
      ...(now.state === "running" ? {} : { ended_at: tx.now }),
    })
    .where("id", "=", id)
    .where("revision", "=", revision)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return changed.numUpdatedRows === 1n;
}

/** Where the same inputs are the same inputs: in one use case and environment. */
export interface ResultKey {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly kind: StageKind;
  readonly key: string;
}

/** What was made from those inputs before, and by which run. */
export async function findResult(
  sql: Sql,
  of: ResultKey,
): Promise<{ readonly runId: string; readonly made: Made } | undefined> {
  const row = await tables(sql)
    .selectFrom("pipelines.results")
    .select(["run_id", "made"])
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("use_case_id", "=", of.useCaseId)
    .where("kind", "=", of.kind)
    .where("key", "=", of.key)
    .executeTakeFirst();
  return row && { runId: row.run_id, made: row.made };
}

/** The newest one counts. */
export async function keepResult(tx: Transaction, of: ResultKey, runId: string, made: Made): Promise<void> {
  const result = { run_id: runId, made: JSON.stringify(made), made_at: tx.now };
  await tables(tx.sql)
    .insertInto("pipelines.results")
    .values({
      organisation_id: of.organisationId,
      environment: of.environment,
      use_case_id: of.useCaseId,
      kind: of.kind,
      key: of.key,
      ...result,
    })
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "environment", "use_case_id", "kind", "key"]).doUpdateSet(result),
    )
    .execute();
}

function storedOf(row: Selectable<RunTable>): StoredRun {
  return {
    id: row.id,
    environment: row.environment,
    useCaseId: row.use_case_id,
    pipeline: row.pipeline,
    version: row.version,
    digest: row.digest,
    model: row.model,
    stages: row.stages,
    parameters: row.parameters,
    cause: row.cause,
    priority: row.priority,
    call: row.call,
    state: row.state,
    at: row.at,
    standings: row.standings,
    made: row.made,
    keys: row.keys,
    faults: row.faults,
    notBefore: row.not_before,
    problem: row.problem,
    cancelReason: row.cancel_reason,
    revision: row.revision,
    requestedBy: row.requested_by,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}
