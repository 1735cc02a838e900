import type { DataClass } from "@portolan/data/contract";
import { covers, type Environment, placeOf, type Sql, type WorkPlace } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { OnlineRun } from "./replay/online-at.ts";
import type {
  MaterializationView,
  TrainingSetManifest,
  TrainingSetRequest,
  TrainingSetView,
} from "./resources.ts";
import type { FeatureView } from "./view-model.ts";

type ViewTable = {
  id: string;
  organisation_id: string;
  team_id: string | null;
  use_case_id: string | null;
  name: string;
  version: number;
  digest: string;
  document: string;
  body: JSONColumnType<FeatureView>;
  published_by: string;
  published_at: number;
};

type TrainingSetTable = {
  id: string;
  organisation_id: string;
  environment: TrainingSetView["environment"];
  use_case_id: string | null;
  request: JSONColumnType<TrainingSetRequest>;
  state: TrainingSetView["state"];
  manifest: JSONColumnType<TrainingSetManifest> | null;
  failure: string | null;
  started_by: string;
  started_at: number;
  finished_at: number | null;
};

type MaterializationTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  team_id: string | null;
  use_case_id: string | null;
  view: string;
  view_digest: string;
  dataset_id: string;
  as_of: number;
  purpose: string | null;
  state: MaterializationView["state"];
  key_count: number | null;
  failure: string | null;
  started_at: number;
  finished_at: number | null;
};

/** Read-only views of `data`, named in its contract. */
type DatasetView = {
  id: string;
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  object: string;
  contract_digest: string;
  row_count: number;
  columns: JSONColumnType<readonly { name: string; type: string }[]>;
  event_time: string | null;
  min_event_time: number | null;
  max_event_time: number | null;
  published_at: number;
  batch_at: number;
  data_class: DataClass | null;
};
type ContractColumnsView = {
  organisation_id: string;
  team_id: string | null;
  use_case_id: string | null;
  name: string;
  columns: JSONColumnType<readonly { name: string; type: string; subject?: true }[]>;
  primary_key: JSONColumnType<readonly string[]>;
  published_at: number;
};

type FeatureTables = {
  "features.views": ViewTable;
  "features.training_sets": TrainingSetTable;
  "features.materializations": MaterializationTable;
  "data.datasets_v1": DatasetView;
  "data.contract_columns_v1": ContractColumnsView;
};

export const tables = (sql: Sql) => sql.withTables<FeatureTables>();
const json = (value: unknown): string => JSON.stringify(value);

export type StoredView = Selectable<ViewTable>;
export type StoredDataset = Selectable<DatasetView>;

/** Columns and primary key of a contract that work at a place may use; another team's is none. */
export async function contractColumns(
  sql: Sql,
  organisationId: string,
  contract: string,
  at: WorkPlace,
): Promise<
  | {
      readonly columns: readonly { name: string; type: string; scale?: number }[];
      readonly primaryKey: readonly string[];
    }
  | undefined
> {
  const row = await tables(sql)
    .selectFrom("data.contract_columns_v1")
    .select(["columns", "primary_key", "team_id", "use_case_id"])
    .where("organisation_id", "=", organisationId)
    .where("name", "=", contract)
    .orderBy("published_at", "desc")
    .executeTakeFirst();
  return row && covers(placeOf(row), at) ? { columns: row.columns, primaryKey: row.primary_key } : undefined;
}

/** The named dataset, or that of a contract's newest batch in an environment, as it was judged last; of exactly that use case, or of none. */
export async function findDataset(
  sql: Sql,
  of: {
    organisationId: string;
    contract: string;
    environment: string;
    useCaseId?: string;
    datasetId?: string;
  },
): Promise<StoredDataset | undefined> {
  let query = tables(sql)
    .selectFrom("data.datasets_v1")
    .selectAll()
    .where("organisation_id", "=", of.organisationId)
    .where("contract", "=", of.contract)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null);
  if (of.datasetId !== undefined) query = query.where("id", "=", of.datasetId);
  return query
    .orderBy("batch_at", "desc")
    .orderBy("published_at", "desc")
    .orderBy("id", "desc")
    .executeTakeFirst();
}

export async function insertView(
  sql: Sql,
  row: Omit<StoredView, "body"> & { body: FeatureView },
): Promise<void> {
  await tables(sql)
    .insertInto("features.views")
    .values({ ...row, body: json(row.body) })
    .execute();
}

export async function findView(
  sql: Sql,
  organisationId: string,
  name: string,
  version?: number,
): Promise<StoredView | undefined> {
  let query = tables(sql)
    .selectFrom("features.views")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name);
  if (version !== undefined) query = query.where("version", "=", version);
  return query.orderBy("version", "desc").executeTakeFirst();
}

export async function insertTrainingSet(
  sql: Sql,
  row: { id: string; organisationId: string; request: TrainingSetRequest; startedBy: string; now: number },
): Promise<void> {
  await tables(sql)
    .insertInto("features.training_sets")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      environment: row.request.environment,
      use_case_id: row.request.useCaseId ?? null,
      request: json(row.request),
      state: "waiting",
      started_by: row.startedBy,
      started_at: row.now,
    })
    .execute();
}

export async function finishTrainingSet(
  sql: Sql,
  id: string,
  outcome: { manifest: TrainingSetManifest } | { failure: string },
  now: number,
): Promise<void> {
  const set =
    "manifest" in outcome
      ? { state: "ready" as const, manifest: json(outcome.manifest), failure: null }
      : { state: "failed" as const, failure: outcome.failure };
  await tables(sql)
    .updateTable("features.training_sets")
    .set({ ...set, finished_at: now })
    .where("id", "=", id)
    .execute();
}

type Closed = { readonly state: "cancelled" | "failed"; readonly reason: string; readonly now: number };

/** Resolves to whether it was open until now. */
export async function closeTrainingSet(sql: Sql, id: string, end: Closed): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("features.training_sets")
    .set({ state: end.state, failure: end.reason, finished_at: end.now })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

/** Resolves to whether it was open until now. */
export async function closeMaterialization(sql: Sql, id: string, end: Closed): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("features.materializations")
    .set({ state: end.state, failure: end.reason, finished_at: end.now })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

export async function findTrainingSet(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<TrainingSetView | undefined> {
  const row = await tables(sql)
    .selectFrom("features.training_sets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && trainingSetOf(row);
}

export function trainingSetOf(row: Selectable<TrainingSetTable>): TrainingSetView {
  return {
    id: row.id,
    environment: row.environment,
    state: row.state,
    request: row.request,
    ...(row.manifest === null ? {} : { manifest: row.manifest }),
    ...(row.failure === null ? {} : { failure: row.failure }),
    startedBy: row.started_by,
    startedAt: row.started_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}

export async function insertMaterialization(
  sql: Sql,
  row: Omit<MaterializationTable, "state" | "key_count" | "failure" | "finished_at">,
): Promise<void> {
  await tables(sql)
    .insertInto("features.materializations")
    .values({ ...row, state: "waiting" })
    .execute();
}

/** Materialisations of a view by which values of a place went online, and when they did. */
export async function doneMaterializations(
  sql: Sql,
  of: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly owner: WorkPlace;
    readonly view: string;
    readonly digest: string;
  },
): Promise<(OnlineRun & { readonly datasetId: string })[]> {
  const rows = await tables(sql)
    .selectFrom("features.materializations")
    .select(["as_of", "dataset_id", "started_at", "finished_at"])
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("team_id", "is not distinct from", of.owner.teamId ?? null)
    .where("use_case_id", "is not distinct from", of.owner.useCaseId ?? null)
    .where("view", "=", of.view)
    .where("view_digest", "=", of.digest)
    .where("state", "in", ["done", "running", "waiting"])
    .execute();
  return rows.map((row) => ({
    position: row.as_of,
    datasetId: row.dataset_id,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  }));
}

/** The moment of the newest values of a view that went online in an environment. */
export async function newestMaterialized(
  sql: Sql,
  of: {
    readonly organisationId: string;
    readonly environment: MaterializationTable["environment"];
    readonly view: string;
  },
): Promise<number | undefined> {
  const row = await tables(sql)
    .selectFrom("features.materializations")
    .select("as_of")
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("view", "=", of.view)
    .where("state", "=", "done")
    .orderBy("as_of", "desc")
    .executeTakeFirst();
  return row?.as_of;
}

export async function finishMaterialization(
  sql: Sql,
  id: string,
  outcome: { keyCount: number } | { failure: string },
  now: number,
): Promise<void> {
  const set =
    "keyCount" in outcome
      ? { state: "done" as const, key_count: outcome.keyCount }
      : { state: "failed" as const, failure: outcome.failure };
  await tables(sql)
    .updateTable("features.materializations")
    .set({ ...set, finished_at: now })
    .where("id", "=", id)
    .execute();
}

export type StoredMaterialization = MaterializationView & {
  readonly environment: Environment;
  readonly owner: WorkPlace;
  readonly datasetId: string;
};

export async function findMaterialization(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredMaterialization | undefined> {
  const row = await tables(sql)
    .selectFrom("features.materializations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return (
    row && {
      id: row.id,
      view: row.view,
      environment: row.environment,
      owner: placeOf(row),
      datasetId: row.dataset_id,
      asOf: row.as_of,
      ...(row.purpose === null ? {} : { purpose: row.purpose }),
      state: row.state,
      ...(row.key_count === null ? {} : { keyCount: row.key_count }),
      ...(row.failure === null ? {} : { failure: row.failure }),
      startedAt: row.started_at,
      ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    }
  );
}

/** The class that any of these datasets has: what is made of several is of the strictest. */
export async function dataClassAmong(
  sql: Sql,
  organisationId: string,
  datasetIds: readonly string[],
): Promise<DataClass | undefined> {
  if (datasetIds.length === 0) return undefined;
  const row = await tables(sql)
    .selectFrom("data.datasets_v1")
    .select("data_class")
    .where("organisation_id", "=", organisationId)
    .where("id", "in", [...datasetIds])
    .where("data_class", "is not", null)
    .executeTakeFirst();
  return row?.data_class ?? undefined;
}
