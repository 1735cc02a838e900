import type { Environment, Sql } from "@portolan/kernel";
import type { TrainingSetManifest, TrainingSetView } from "../resources.ts";
import { type StoredDataset, type StoredView, tables } from "../store.ts";

/** Training sets that are ready, of an organisation in these environments. */
export async function readySets(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<
  (Pick<TrainingSetView, "id" | "environment" | "request"> & { readonly manifest: TrainingSetManifest })[]
> {
  const rows = await tables(sql)
    .selectFrom("features.training_sets")
    .select(["id", "environment", "request", "manifest"])
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", [...environments])
    .where("state", "=", "ready")
    .orderBy("id")
    .execute();
  return rows.flatMap(({ manifest, ...row }) => (manifest ? [{ ...row, manifest }] : []));
}

export async function replaceManifest(sql: Sql, id: string, manifest: TrainingSetManifest): Promise<void> {
  await tables(sql)
    .updateTable("features.training_sets")
    .set({ manifest: JSON.stringify(manifest) })
    .where("id", "=", id)
    .execute();
}

/** All versions of all views of an organisation. */
export function listAllViews(sql: Sql, organisationId: string): Promise<StoredView[]> {
  return tables(sql)
    .selectFrom("features.views")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("name")
    .orderBy("version")
    .execute();
}

/** Names of the columns that name a data subject, by contract: those that its newest version marks, and those that are named. */
export async function subjectColumnsByContract(
  sql: Sql,
  organisationId: string,
  named: readonly string[],
): Promise<Map<string, readonly string[]>> {
  const rows = await tables(sql)
    .selectFrom("data.contract_columns_v1")
    .select(["name", "columns"])
    .where("organisation_id", "=", organisationId)
    .orderBy("published_at")
    .execute();
  return new Map(
    rows.map(({ name, columns }) => [
      name,
      columns.filter((column) => column.subject || named.includes(column.name)).map((column) => column.name),
    ]),
  );
}

export async function datasetContracts(
  sql: Sql,
  organisationId: string,
): Promise<Map<string, Pick<StoredDataset, "contract" | "columns">>> {
  const rows = await tables(sql)
    .selectFrom("data.datasets_v1")
    .select(["id", "contract", "columns"])
    .where("organisation_id", "=", organisationId)
    .execute();
  return new Map(rows.map(({ id, ...dataset }) => [id, dataset]));
}
