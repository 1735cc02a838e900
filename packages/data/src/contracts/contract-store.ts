import { placeOf, type Sql, type WorkPlace } from "@portolan/kernel";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { ContractSummary, ContractView } from "../resources.ts";
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

/** The newest version of each contract, by name. */
export async function newestContracts(
  sql: Sql,
  organisationId: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<(Omit<ContractSummary, "teamId" | "useCaseId"> & { readonly owner: WorkPlace })[]> {
  const query = tables(sql)
    .selectFrom("data.contracts")
    .distinctOn("name")
    .select(["id", "name", "version", "digest", "team_id", "use_case_id", "published_by", "published_at"])
    .select(raw<number>`jsonb_array_length(body -> 'columns')`.as("columns"))
    .where("organisation_id", "=", organisationId);
  const rows = await (after === undefined ? query : query.where("name", ">", after))
    .orderBy("name")
    .orderBy("published_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(({ team_id, use_case_id, published_by, published_at, ...row }) => ({
    ...row,
    publishedBy: published_by,
    publishedAt: published_at,
    owner: placeOf({ team_id, use_case_id }),
  }));
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
