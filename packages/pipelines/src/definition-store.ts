import type { CallContext, Environment, Sql, Transaction } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { PipelineDefinition, PipelineView } from "./contract.ts";

type DefinitionTable = {
  organisation_id: string;
  environment: Environment;
  name: string;
  version: number;
  use_case_id: string;
  digest: string;
  definition: JSONColumnType<PipelineDefinition>;
  published_by: string;
  published_at: number;
  call: JSONColumnType<CallContext>;
  next_run_at: number | null;
};

const tables = (sql: Sql) => sql.withTables<{ "pipelines.definitions": DefinitionTable }>();

/** A pipeline's version with what its schedule needs. */
export interface StoredDefinition extends PipelineView {
  /** Whoever published it, as they called. */
  readonly call: CallContext;
}

export interface DefinitionName {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly name: string;
}

/** The newest version, unless one is named. */
export async function findDefinition(
  sql: Sql,
  { organisationId, environment, name }: DefinitionName,
  version?: number,
): Promise<StoredDefinition | undefined> {
  let query = tables(sql)
    .selectFrom("pipelines.definitions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("name", "=", name);
  if (version !== undefined) query = query.where("version", "=", version);
  const row = await query.orderBy("version", "desc").limit(1).executeTakeFirst();
  return row && storedOf(row);
}

/** The newest version of each. */
export async function listDefinitions(sql: Sql, organisationId: string): Promise<StoredDefinition[]> {
  const rows = await tables(sql)
    .selectFrom("pipelines.definitions")
    .selectAll()
    .distinctOn(["environment", "name"])
    .where("organisation_id", "=", organisationId)
    .orderBy("environment")
    .orderBy("name")
    .orderBy("version", "desc")
    .execute();
  return rows.map(storedOf);
}

/** Those whose schedule begins a run by now. */
export async function listDue(sql: Sql, organisationId: string, now: number): Promise<StoredDefinition[]> {
  const rows = await tables(sql)
    .selectFrom("pipelines.definitions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("next_run_at", "<=", now)
    .execute();
  return rows.map(storedOf);
}

/** The schedule of the newest version is the one in force. */
export async function insertDefinition(tx: Transaction, stored: StoredDefinition): Promise<void> {
  const { organisationId } = tx.call.actor;
  const { environment, name } = stored;
  await tables(tx.sql)
    .updateTable("pipelines.definitions")
    .set({ next_run_at: null })
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("name", "=", name)
    .execute();
  await tables(tx.sql)
    .insertInto("pipelines.definitions")
    .values({
      organisation_id: organisationId,
      environment,
      name,
      version: stored.version,
      use_case_id: stored.definition.useCaseId,
      digest: stored.digest,
      definition: JSON.stringify(stored.definition),
      published_by: stored.publishedBy,
      published_at: stored.publishedAt,
      call: JSON.stringify(stored.call),
      next_run_at: stored.nextRunAt,
    })
    .execute();
}

/** @returns false when another process has taken that time, or another version came */
export async function moveSchedule(
  tx: Transaction,
  { environment, name, version, nextRunAt }: StoredDefinition,
  next: number | null,
): Promise<boolean> {
  const moved = await tables(tx.sql)
    .updateTable("pipelines.definitions")
    .set({ next_run_at: next })
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("environment", "=", environment)
    .where("name", "=", name)
    .where("version", "=", version)
    .where("next_run_at", "=", nextRunAt)
    .executeTakeFirst();
  return moved.numUpdatedRows === 1n;
}

function storedOf(row: Selectable<DefinitionTable>): StoredDefinition {
  return {
    name: row.name,
    environment: row.environment,
    version: row.version,
    digest: row.digest,
    definition: row.definition,
    publishedBy: row.published_by,
    publishedAt: row.published_at,
    nextRunAt: row.next_run_at,
    call: row.call,
  };
}
