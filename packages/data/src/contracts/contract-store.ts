import { placeOf, type Sql, type WorkPlace } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { ContractView } from "../resources.ts";
import type { DataContract } from "./contract-model.ts";

type ContractTable = {
  id: string;
  organisation_id: string;
  team_id: string | null;
  use_case_id: string | null;
  name: string;
  version: string;
  digest: string;
  document: string;
  body: JSONColumnType<DataContract>;
  published_by: string;
  published_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "data.contracts": ContractTable }>();

export interface StoredContract extends Omit<ContractView, "teamId" | "useCaseId" | "references"> {
  readonly owner: WorkPlace;
  readonly body: DataContract;
}

export async function insertContract(
  sql: Sql,
  row: Omit<ContractTable, "body"> & { body: DataContract },
): Promise<void> {
  await tables(sql)
    .insertInto("data.contracts")
    .values({ ...row, body: JSON.stringify(row.body) })
    .execute();
}

/** The given version, or the newest one. */
export async function findContract(
  sql: Sql,
  organisationId: string,
  name: string,
  version?: string,
): Promise<StoredContract | undefined> {
  let query = tables(sql)
    .selectFrom("data.contracts")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name);
  if (version !== undefined) query = query.where("version", "=", version);
  const row = await query.orderBy("published_at", "desc").orderBy("id", "desc").executeTakeFirst();
  return row && contractOf(row);
}

export async function getContract(sql: Sql, organisationId: string, id: string): Promise<StoredContract> {
  const row = await tables(sql)
    .selectFrom("data.contracts")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return contractOf(row);
}

function contractOf(row: Selectable<ContractTable>): StoredContract {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    digest: row.digest,
    document: row.document,
    publishedBy: row.published_by,
    publishedAt: row.published_at,
    owner: placeOf(row),
    body: row.body,
  };
}
