import type { Sql } from "@portolan/kernel";
import type { JSONColumnType } from "kysely";
import type { TrainingRunRequest, TrainingRunResult, TrainingRunView } from "./contract.ts";

type RunTable = {
  id: string;
  organisation_id: string;
  environment: TrainingRunView["environment"];
  use_case_id: string | null;
  request: JSONColumnType<TrainingRunRequest>;
  state: TrainingRunView["state"];
  result: JSONColumnType<TrainingRunResult> | null;
  failure: string | null;
  started_by: string;
  started_at: number;
  finished_at: number | null;
  priority: number;
};

/** A view of `features`, named in its migrations. */
type TrainingSetView = {
  id: string;
  organisation_id: string;
  environment: string;
  use_case_id: string | null;
  object: string;
  features: JSONColumnType<string[]>;
  label: string;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "training.runs": RunTable; "features.training_sets_v1": TrainingSetView }>();

/** A ready set of exactly that use case, or of none. */
export async function findReadyTrainingSet(
  sql: Sql,
  of: { organisationId: string; environment: string; useCaseId?: string; id: string },
): Promise<{ object: string; features: string[]; label: string } | undefined> {
  return tables(sql)
    .selectFrom("features.training_sets_v1")
    .select(["object", "features", "label"])
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null)
    .where("id", "=", of.id)
    .executeTakeFirst();
}

export async function insertRun(
  sql: Sql,
  row: {
    id: string;
    organisationId: string;
    request: TrainingRunRequest;
    startedBy: string;
    now: number;
    priority?: number;
  },
): Promise<void> {
  await tables(sql)
    .insertInto("training.runs")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      environment: row.request.environment,
      use_case_id: row.request.useCaseId ?? null,
      request: JSON.stringify(row.request),
      state: "waiting",
      started_by: row.startedBy,
      started_at: row.now,
      priority: row.priority ?? 0,
    })
    .execute();
}

export async function updateRun(
  sql: Sql,
  id: string,
  outcome: { result: TrainingRunResult } | { failure: string } | "running",
  now: number,
): Promise<void> {
  const set =
    outcome === "running"
      ? { state: "running" as const }
      : "result" in outcome
        ? {
            state: "succeeded" as const,
            result: JSON.stringify(outcome.result),
            failure: null,
            finished_at: now,
          }
        : { state: "failed" as const, failure: outcome.failure, finished_at: now };
  await tables(sql).updateTable("training.runs").set(set).where("id", "=", id).execute();
}

/** Resolves to whether it was open until now. */
export async function closeRun(
  sql: Sql,
  id: string,
  end: { readonly state: "cancelled" | "failed"; readonly reason: string; readonly now: number },
): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("training.runs")
    .set({ state: end.state, failure: end.reason, finished_at: end.now })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

/**
 * How long runs of a use case took from some moment on, those that are under way until now; each only as far as it lies after that moment.
 * @param span epoch microseconds
 * @returns microseconds
 */
export async function microsTrained(
  sql: Sql,
  of: { readonly organisationId: string; readonly useCaseId: string },
  { since, now }: { readonly since: number; readonly now: number },
): Promise<number> {
  const rows = await tables(sql)
    .selectFrom("training.runs")
    .select(["started_at", "finished_at"])
    .where("organisation_id", "=", of.organisationId)
    .where("use_case_id", "=", of.useCaseId)
    .where((where) => where.or([where("finished_at", ">", since), where("finished_at", "is", null)]))
    .execute();
  return rows.reduce((sum, row) => sum + (row.finished_at ?? now) - Math.max(since, row.started_at), 0);
}

export async function findRun(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<TrainingRunView | undefined> {
  const row = await tables(sql)
    .selectFrom("training.runs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return (
    row && {
      id: row.id,
      environment: row.environment,
      state: row.state,
      request: row.request,
      ...(row.result === null ? {} : { result: row.result }),
      ...(row.failure === null ? {} : { failure: row.failure }),
      startedBy: row.started_by,
      startedAt: row.started_at,
      ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    }
  );
}
