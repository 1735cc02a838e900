import type { Sql } from "@portolan/kernel";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { KeyValue, MetricPoint, ModelStatus } from "../contract.ts";

type ModelTable = {
  id: string;
  run_id: string;
  organisation_id: string;
  /** Of its run: `<use case or organisation>-<environment>`. */
  experiment_id: string;
  name: string;
  model_type: string | null;
  status: ModelStatus;
  params: JSONColumnType<readonly KeyValue[]>;
  tags: JSONColumnType<readonly KeyValue[]>;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
};
type InputTable = { run_id: string; model_id: string };
type OutputTable = { run_id: string; model_id: string; step: number };
type MetricTable = {
  model_id: string;
  key: string;
  dataset_name: string;
  dataset_digest: string;
  run_id: string;
  value: number;
  timestamp_ms: number;
  step: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "tracking.logged_models": ModelTable;
    "tracking.model_inputs": InputTable;
    "tracking.run_outputs": OutputTable;
    "tracking.model_metrics": MetricTable;
  }>();

export type ModelRow = Selectable<ModelTable>;

/** A metric of a model, as a run measured it. */
export interface ModelPoint extends MetricPoint {
  readonly modelId: string;
  readonly datasetName: string;
  readonly datasetDigest: string;
}

/** A model with the latest of each of its metrics. */
export interface StoredModel {
  readonly row: ModelRow;
  readonly metrics: readonly (ModelPoint & { readonly runId: string })[];
}

export async function insertModel(sql: Sql, row: ModelRow): Promise<void> {
  await tables(sql)
    .insertInto("tracking.logged_models")
    .values({ ...row, params: JSON.stringify(row.params), tags: JSON.stringify(row.tags) })
    .execute();
}

/** Of the organisation, deleted ones too. */
export async function findModelRow(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<ModelRow | undefined> {
  return tables(sql)
    .selectFrom("tracking.logged_models")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Those that are not deleted, the newest first. */
export async function listModelRows(
  sql: Sql,
  organisationId: string,
  experimentIds: readonly string[],
  most: number,
): Promise<ModelRow[]> {
  if (experimentIds.length === 0) return [];
  return tables(sql)
    .selectFrom("tracking.logged_models")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("experiment_id", "in", [...experimentIds])
    .where("deleted_at", "is", null)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(most)
    .execute();
}

/** Adds what is known of their metrics. */
export async function withMetrics(sql: Sql, rows: readonly ModelRow[]): Promise<StoredModel[]> {
  if (rows.length === 0) return [];
  const found = await tables(sql)
    .selectFrom("tracking.model_metrics")
    .selectAll()
    .where(
      "model_id",
      "in",
      rows.map(({ id }) => id),
    )
    .orderBy("key")
    .execute();
  const byModel = Map.groupBy(found, ({ model_id }) => model_id);
  return rows.map((row) => ({
    row,
    metrics: (byModel.get(row.id) ?? []).map((metric) => ({
      modelId: metric.model_id,
      runId: metric.run_id,
      key: metric.key,
      value: metric.value,
      timestampMs: metric.timestamp_ms,
      step: metric.step,
      datasetName: metric.dataset_name,
      datasetDigest: metric.dataset_digest,
    })),
  }));
}

/** Holds the row until the transaction ends. */
export async function changeModel(
  sql: Sql,
  id: string,
  now: number,
  change: {
    readonly status?: ModelStatus;
    readonly deleted?: true;
    readonly params?: readonly KeyValue[];
    readonly tags?: readonly KeyValue[];
  },
): Promise<void> {
  const { status, deleted, params, tags } = change;
  await tables(sql)
    .updateTable("tracking.logged_models")
    .set({
      updated_at: now,
      ...(status === undefined ? {} : { status }),
      ...(deleted === undefined ? {} : { deleted_at: now }),
      ...(params === undefined ? {} : { params: JSON.stringify(params) }),
      ...(tags === undefined ? {} : { tags: JSON.stringify(tags) }),
    })
    .where("id", "=", id)
    .execute();
}

/** The models that a run says it made, by their ids; said again with another step, that one counts. */
export async function setOutputs(
  sql: Sql,
  runId: string,
  outputs: readonly { readonly modelId: string; readonly step: number }[],
): Promise<void> {
  await raw`insert into tracking.run_outputs (run_id, model_id, step)
    select distinct on (o.model_id) ${runId}, o.model_id, o.step
    from unnest(${outputs.map(({ modelId }) => modelId)}::text[], ${outputs.map(({ step }) => step)}::bigint[])
      as o(model_id, step) order by o.model_id, o.step desc
    on conflict (run_id, model_id) do update set step = excluded.step`.execute(sql);
}

/** The models that a run says it read; sent again, they change nothing. */
export async function addModelInputs(sql: Sql, runId: string, modelIds: readonly string[]): Promise<void> {
  if (modelIds.length === 0) return;
  await tables(sql)
    .insertInto("tracking.model_inputs")
    .values(modelIds.map((model_id) => ({ run_id: runId, model_id })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What runs say they read, by run. */
export async function readModelInputs(sql: Sql, runIds: readonly string[]): Promise<Map<string, string[]>> {
  if (runIds.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("tracking.model_inputs")
    .selectAll()
    .where("run_id", "in", [...runIds])
    .orderBy("model_id")
    .execute();
  const byRun = Map.groupBy(rows, ({ run_id }) => run_id);
  return new Map([...byRun].map(([runId, own]) => [runId, own.map(({ model_id }) => model_id)]));
}

/** What runs say they made, by run. */
export async function readOutputs(
  sql: Sql,
  runIds: readonly string[],
): Promise<Map<string, { readonly modelId: string; readonly step: number }[]>> {
  if (runIds.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("tracking.run_outputs")
    .selectAll()
    .where("run_id", "in", [...runIds])
    .orderBy("model_id")
    .execute();
  const byRun = Map.groupBy(rows, ({ run_id }) => run_id);
  return new Map(
    [...byRun].map(([runId, own]) => [runId, own.map(({ model_id, step }) => ({ modelId: model_id, step }))]),
  );
}

/** Each point takes the place of an earlier one of its model, key and data set. */
export async function raiseModelMetrics(
  sql: Sql,
  runId: string,
  points: readonly ModelPoint[],
): Promise<void> {
  for (const { modelId, key, value, timestampMs, step, datasetName, datasetDigest } of points)
    await raw`insert into tracking.model_metrics as m
        (model_id, key, dataset_name, dataset_digest, run_id, value, timestamp_ms, step)
      values (${modelId}, ${key}, ${datasetName}, ${datasetDigest}, ${runId}, ${value}, ${timestampMs}, ${step})
      on conflict (model_id, key, dataset_name, dataset_digest) do update set
        run_id = excluded.run_id, value = excluded.value, timestamp_ms = excluded.timestamp_ms, step = excluded.step
      where (excluded.step, excluded.timestamp_ms, excluded.value) >= (m.step, m.timestamp_ms, m.value)`.execute(
      sql,
    );
}
