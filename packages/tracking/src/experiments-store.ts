import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { KeyValue } from "./contract.ts";
import type { Experiment } from "./experiment-id.ts";

const tables = (sql: Sql) =>
  sql.withTables<{
    "tracking.experiment_tags": {
      organisation_id: string;
      experiment_id: string;
      key: string;
      value: string;
    };
  }>();

/** Tags by experiment, each list by key. */
export async function readExperimentTags(
  sql: Sql,
  organisationId: string,
  experimentIds: readonly string[],
): Promise<Map<string, KeyValue[]>> {
  if (experimentIds.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("tracking.experiment_tags")
    .select(["experiment_id", "key", "value"])
    .where("organisation_id", "=", organisationId)
    .where("experiment_id", "in", experimentIds)
    .orderBy("key")
    .execute();
  const byId = Map.groupBy(rows, (row) => row.experiment_id);
  return new Map([...byId].map(([id, found]) => [id, found.map(({ key, value }) => ({ key, value }))]));
}

/** @returns how many tags the experiment has then */
export async function setExperimentTag(
  sql: Sql,
  of: { readonly organisationId: string; readonly experimentId: string },
  { key, value }: KeyValue,
): Promise<number> {
  await tables(sql)
    .insertInto("tracking.experiment_tags")
    .values({ organisation_id: of.organisationId, experiment_id: of.experimentId, key, value })
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "experiment_id", "key"]).doUpdateSet({ value }),
    )
    .execute();
  const { count } = await tables(sql)
    .selectFrom("tracking.experiment_tags")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("organisation_id", "=", of.organisationId)
    .where("experiment_id", "=", of.experimentId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Resolves to whether there was one. */
export async function removeExperimentTag(
  sql: Sql,
  of: { readonly organisationId: string; readonly experimentId: string },
  key: string,
): Promise<boolean> {
  const removed = await tables(sql)
    .deleteFrom("tracking.experiment_tags")
    .where("organisation_id", "=", of.organisationId)
    .where("experiment_id", "=", of.experimentId)
    .where("key", "=", key)
    .executeTakeFirst();
  return removed.numDeletedRows > 0n;
}

/** A data set that runs of an experiment read, with what for. */
export interface DatasetSummary {
  readonly name: string;
  readonly digest: string;
  readonly context?: string;
}

/** Each once per context, by name, digest and context. */
export async function listDatasets(
  sql: Sql,
  experiment: Experiment,
  { onlyRun, most }: { readonly onlyRun?: string; readonly most: number },
): Promise<DatasetSummary[]> {
  const { organisationId, useCaseId, environment } = experiment;
  const own = useCaseId === undefined ? raw`r.use_case_id is null` : raw`r.use_case_id = ${useCaseId}`;
  const { rows } = await raw<{ name: string; digest: string; context: string | null }>`
    select distinct i.name, i.digest,
      (select c->>'value' from jsonb_array_elements(i.tags) as c where c->>'key' = 'mlflow.data.context' limit 1) as context
    from tracking.inputs as i join tracking.runs as r on r.run_id = i.run_id
    where r.organisation_id = ${organisationId} and r.environment = ${environment} and ${own} and r.deleted_at is null
      ${onlyRun === undefined ? raw`` : raw`and r.run_id = ${onlyRun}`}
    order by 1, 2, 3 limit ${most}`.execute(sql);
  return rows.map(({ name, digest, context }) => ({
    name,
    digest,
    ...(context === null ? {} : { context }),
  }));
}
