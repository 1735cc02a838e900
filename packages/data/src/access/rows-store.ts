import { type Digest, type Environment, placeOf, type Sql } from "@portolan/kernel";
import { type JSONColumnType, sql as raw } from "kysely";
import type { DataContract } from "../contracts/contract-model.ts";
import type { ContractVersion, PolicedRows } from "./policed-rows.ts";

type Placed = {
  id: string;
  organisation_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
};
type DatasetTable = Placed & {
  object: string;
  contract_digest: string;
  expired_at: number | null;
  columns: JSONColumnType<readonly { readonly name: string; readonly type: string }[]>;
};
type IngestionTable = Placed & {
  sources: JSONColumnType<readonly { readonly object?: string }[]>;
  quarantine: string | null;
  dead_letters: string | null;
  withheld: string | null;
};
type ContractTable = {
  id: string;
  organisation_id: string;
  name: string;
  digest: string;
  body: JSONColumnType<DataContract>;
  published_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "data.datasets": DatasetTable;
    "data.ingestions": IngestionTable;
    "data.contracts": ContractTable;
  }>();

/** A dataset; with `expired` also one whose bytes are gone: what was made of it is still made of it. */
export async function datasetRows(
  sql: Sql,
  organisationId: string,
  id: string,
  { expired }: { readonly expired: boolean },
): Promise<PolicedRows | undefined> {
  let query = tables(sql)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id);
  if (!expired) query = query.where("expired_at", "is", null);
  const row = await query.executeTakeFirst();
  return row && rowsOf(row, row.object, { contractDigest: row.contract_digest, columns: row.columns });
}

/** All datasets and ingestions that name these bytes: as rows, as what was kept out of them, as what they came from. */
export async function contractRows(
  sql: Sql,
  organisationId: string,
  object: Digest,
): Promise<readonly PolicedRows[]> {
  const datasets = await tables(sql)
    .selectFrom("data.datasets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("object", "=", object)
    .execute();
  const ingestions = await tables(sql)
    .selectFrom("data.ingestions")
    .select(["id", "contract", "environment", "use_case_id"])
    .where("organisation_id", "=", organisationId)
    .where((where) =>
      where.or([
        where("quarantine", "=", object),
        where("dead_letters", "=", object),
        where("withheld", "=", object),
        raw<boolean>`sources @> ${JSON.stringify([{ object }])}::jsonb`,
      ]),
    )
    .execute();
  return [
    ...datasets.map((row) =>
      rowsOf(row, row.object, { contractDigest: row.contract_digest, columns: row.columns }),
    ),
    ...ingestions.map((row) => rowsOf(row, object)),
  ];
}

/** All versions of contracts by their name, the oldest first. */
export async function contractVersions(
  sql: Sql,
  organisationId: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly ContractVersion[]>> {
  if (names.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("data.contracts")
    .select(["name", "digest", "body"])
    .where("organisation_id", "=", organisationId)
    .where("name", "in", [...names])
    .orderBy("published_at")
    .orderBy("id")
    .execute();
  const byName = Map.groupBy(rows, ({ name }) => name);
  return new Map(
    [...byName].map(([name, versions]) => [
      name,
      versions.map(({ digest, body }) => ({ digest, columns: body.columns })),
    ]),
  );
}

function rowsOf(
  row: Omit<Placed, "organisation_id">,
  object: string,
  published?: {
    readonly contractDigest: string;
    readonly columns: readonly { readonly name: string; readonly type: string }[];
  },
): PolicedRows {
  const { contract } = row;
  return {
    id: row.id,
    object: object as Digest,
    at: { environment: row.environment, ...placeOf({ team_id: null, use_case_id: row.use_case_id }) },
    contracts: [contract],
    own: published ? { contractDigest: published.contractDigest } : {},
    ...(published
      ? {
          columns: published.columns.map(({ name, type }) => ({
            name,
            type,
            from: [{ contract, column: name }],
            contracts: [contract],
          })),
        }
      : {}),
  };
}
