import type { Environment, Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { ErasureReport, ErasureState, ErasureView } from "./report.ts";

type ErasureTable = {
  id: string;
  organisation_id: string;
  environments: JSONColumnType<readonly Environment[]>;
  subject: string | null;
  columns: JSONColumnType<readonly string[]>;
  dry_run: boolean;
  reason: string;
  job_id: string | null;
  state: ErasureState;
  report: JSONColumnType<ErasureReport> | null;
  failure: string | null;
  ordered_by: string;
  ordered_at: number;
  finished_at: number | null;
};
type TombstoneTable = {
  organisation_id: string;
  owner: string;
  place: string;
  before: string;
  after: string | null;
  row_count: number;
  cause: string;
  erased_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "data.erasures": ErasureTable; "data.tombstones": TombstoneTable }>();

export type StoredErasure = Selectable<ErasureTable>;

export async function insertErasure(
  sql: Sql,
  row: Pick<
    StoredErasure,
    | "id"
    | "organisation_id"
    | "environments"
    | "subject"
    | "columns"
    | "dry_run"
    | "reason"
    | "ordered_by"
    | "ordered_at"
  >,
): Promise<void> {
  await tables(sql)
    .insertInto("data.erasures")
    .values({
      ...row,
      environments: JSON.stringify(row.environments),
      columns: JSON.stringify(row.columns),
      state: "waiting",
    })
    .execute();
}

export async function setErasureJob(sql: Sql, id: string, jobId: string): Promise<void> {
  await tables(sql).updateTable("data.erasures").set({ job_id: jobId }).where("id", "=", id).execute();
}

export async function markRunning(sql: Sql, id: string): Promise<void> {
  await tables(sql)
    .updateTable("data.erasures")
    .set({ state: "running" })
    .where("id", "=", id)
    .where("state", "=", "waiting")
    .execute();
}

/** Whether another order of the organisation is being done: two at once would write the same objects anew. */
export async function isAnotherRunning(
  sql: Sql,
  { id, organisation_id: organisationId }: Pick<StoredErasure, "id" | "organisation_id">,
): Promise<boolean> {
  const other = await tables(sql)
    .selectFrom("data.erasures")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "running")
    .where("id", "<>", id)
    .executeTakeFirst();
  return other !== undefined;
}

/** Once: with it the subject is forgotten. Resolves to whether it was open until now. */
export async function closeErasure(
  sql: Sql,
  id: string,
  end: {
    readonly state: ErasureState;
    readonly report?: ErasureReport;
    readonly failure?: string;
    readonly now: number;
  },
): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("data.erasures")
    .set({
      state: end.state,
      subject: null,
      columns: JSON.stringify([]),
      finished_at: end.now,
      ...(end.report ? { report: JSON.stringify(end.report) } : {}),
      ...(end.failure === undefined ? {} : { failure: end.failure }),
    })
    .where("id", "=", id)
    .where("finished_at", "is", null)
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

export function findErasure(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredErasure | undefined> {
  return tables(sql)
    .selectFrom("data.erasures")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Newest first. */
export function listErasures(sql: Sql, organisationId: string): Promise<StoredErasure[]> {
  return tables(sql)
    .selectFrom("data.erasures")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("ordered_at", "desc")
    .orderBy("id", "desc")
    .limit(200)
    .execute();
}

export async function insertTombstone(sql: Sql, row: TombstoneTable): Promise<void> {
  await tables(sql)
    .insertInto("data.tombstones")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export function erasureView(row: StoredErasure): ErasureView {
  return {
    id: row.id,
    state: row.state,
    dryRun: row.dry_run,
    reason: row.reason,
    environments: [...row.environments],
    ...(row.job_id === null ? {} : { jobId: row.job_id }),
    ...(row.report === null ? {} : { report: row.report }),
    ...(row.failure === null ? {} : { failure: row.failure }),
    orderedBy: row.ordered_by,
    orderedAt: row.ordered_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}
