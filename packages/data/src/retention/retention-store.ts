import type { Digest, Environment, Sql } from "@portolan/kernel";
import { type JSONColumnType, type Selectable, sql } from "kysely";
import type { DataContract } from "../contracts/contract-model.ts";
import type { IngestionView } from "../resources.ts";

type ContractTable = {
  id: string;
  organisation_id: string;
  name: string;
  body: JSONColumnType<DataContract>;
  published_at: number;
};
type DatasetTable = {
  id: string;
  organisation_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
  object: string;
  row_count: number;
  batch_at: number;
  expired_at: number | null;
};
type IngestionTable = {
  id: string;
  organisation_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
  sources: JSONColumnType<IngestionView["sources"]>;
  state: string;
  quarantine: string | null;
  dead_letters: string | null;
  withheld: string | null;
  started_at: number;
  expired_at: number | null;
};

const tables = (session: Sql) =>
  session.withTables<{
    "data.contracts": ContractTable;
    "data.datasets": DatasetTable;
    "data.ingestions": IngestionTable;
  }>();

export type OldDataset = Selectable<DatasetTable>;
export type OldIngestion = Selectable<IngestionTable>;

/** How long the newest version of each contract keeps its data, milliseconds; of contracts that say so. */
export async function retentions(session: Sql, organisationId: string): Promise<Map<string, number>> {
  const rows = await tables(session)
    .selectFrom("data.contracts")
    .select(["name", "body"])
    .where("organisation_id", "=", organisationId)
    .orderBy("published_at")
    .orderBy("id")
    .execute();
  const newest = new Map(rows.map(({ name, body }) => [name, body.retentionMs]));
  return new Map([...newest].flatMap(([name, kept]) => (kept === undefined ? [] : [[name, kept]])));
}

/** Datasets of a contract whose batch came before a moment, oldest first. */
export function oldDatasets(
  session: Sql,
  of: { organisationId: string; contract: string; environments: readonly Environment[]; before: number },
): Promise<OldDataset[]> {
  return tables(session)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", of.organisationId)
    .where("contract", "=", of.contract)
    .where("environment", "in", [...of.environments])
    .where("batch_at", "<", of.before)
    .where("expired_at", "is", null)
    .orderBy("batch_at")
    .orderBy("id")
    .execute();
}

/** One that is still there. */
export function findKeptDataset(
  session: Sql,
  organisationId: string,
  id: string,
): Promise<OldDataset | undefined> {
  return tables(session)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .where("expired_at", "is", null)
    .executeTakeFirst();
}

/** Ingestions of a contract that came to their end and began before a moment, and still have rows that were kept out, or sources. */
export function oldIngestions(
  session: Sql,
  of: { organisationId: string; contract: string; environments: readonly Environment[]; before: number },
): Promise<OldIngestion[]> {
  return tables(session)
    .selectFrom("data.ingestions")
    .selectAll()
    .where("organisation_id", "=", of.organisationId)
    .where("contract", "=", of.contract)
    .where("environment", "in", [...of.environments])
    .where("started_at", "<", of.before)
    .where("expired_at", "is", null)
    .where("state", "not in", ["waiting", "running"])
    .orderBy("started_at")
    .orderBy("id")
    .execute();
}

/** Resolves to whether it was there until now. */
export async function expireDataset(session: Sql, id: string, now: number): Promise<boolean> {
  const done = await tables(session)
    .updateTable("data.datasets")
    .set({ expired_at: now })
    .where("id", "=", id)
    .where("expired_at", "is", null)
    .executeTakeFirst();
  return done.numUpdatedRows === 1n;
}

/** Resolves to whether it was there until now. */
export async function expireIngestion(session: Sql, id: string, now: number): Promise<boolean> {
  const done = await tables(session)
    .updateTable("data.ingestions")
    .set({ expired_at: now, quarantine: null, dead_letters: null, withheld: null })
    .where("id", "=", id)
    .where("expired_at", "is", null)
    .executeTakeFirst();
  return done.numUpdatedRows === 1n;
}

/** Whether a dataset or an ingestion of the organisation that has not expired names the bytes in that environment. */
export async function isStillNamed(
  session: Sql,
  organisationId: string,
  environment: Environment,
  digest: Digest,
): Promise<boolean> {
  const dataset = await tables(session)
    .selectFrom("data.datasets")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("object", "=", digest)
    .where("expired_at", "is", null)
    .executeTakeFirst();
  if (dataset) return true;
  const ingestion = await tables(session)
    .selectFrom("data.ingestions")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("expired_at", "is", null)
    .where((where) =>
      where.or([
        where("quarantine", "=", digest),
        where("dead_letters", "=", digest),
        where("withheld", "=", digest),
        sql<boolean>`position(${digest} in sources::text) > 0`,
      ]),
    )
    .executeTakeFirst();
  return ingestion !== undefined;
}
