import type { Sql, Transaction } from "@portolan/kernel";
import type { JSONColumnType } from "kysely";
import type { Calibration } from "../estimate/estimate-schema.ts";
import type { KeptReference } from "./concept-drift.ts";
import type { PerformanceKey } from "./performance-store.ts";

type ReferenceTable = {
  organisation_id: string;
  environment: PerformanceKey["environment"];
  use_case_id: string;
  endpoint: string;
  variant: string;
  model: string;
  version: string;
  task: KeptReference["task"];
  cases: number;
  wrong: number;
  cutoff: number | null;
  calibration: JSONColumnType<Calibration> | null;
  from_at: number;
  to_at: number;
  kept_at: number;
};
const tables = (sql: Sql) => sql.withTables<{ "monitoring.concept_references": ReferenceTable }>();

/** A kept reference, and whose it is. */
export interface SeriesReference {
  readonly key: PerformanceKey;
  readonly reference: KeptReference;
}

/** What was kept of an endpoint's versions. */
export async function listReferences(
  sql: Sql,
  organisationId: string,
  endpoint: string,
): Promise<SeriesReference[]> {
  const rows = await tables(sql)
    .selectFrom("monitoring.concept_references")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .execute();
  return rows.map((row) => ({
    key: {
      environment: row.environment,
      useCaseId: row.use_case_id === "" ? null : row.use_case_id,
      variant: row.variant,
      model: row.model,
      version: row.version,
    },
    reference: {
      task: row.task,
      cases: row.cases,
      wrong: row.wrong,
      cutoff: row.cutoff,
      calibration: row.calibration,
      from: row.from_at,
      to: row.to_at,
    },
  }));
}

/** Keeps the first reference of a version and task; another one changes nothing. */
export async function keepReference(
  { sql, call, now }: Transaction,
  endpoint: string,
  { environment, useCaseId, variant, model, version }: PerformanceKey,
  { task, cases, wrong, cutoff, calibration, from, to }: KeptReference,
): Promise<void> {
  await tables(sql)
    .insertInto("monitoring.concept_references")
    .values({
      organisation_id: call.actor.organisationId,
      environment,
      use_case_id: useCaseId ?? "",
      endpoint,
      variant,
      model,
      version,
      task,
      cases,
      wrong,
      cutoff,
      calibration: calibration === null ? null : JSON.stringify(calibration),
      from_at: from,
      to_at: to,
      kept_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
