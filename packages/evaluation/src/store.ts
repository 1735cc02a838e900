import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { BinaryMetrics, Evaluation, GateResult } from "./contract.ts";

type EvaluationTable = {
  id: string;
  organisation_id: string;
  version_id: string;
  model: string;
  version: number;
  artifact: string;
  dataset: string;
  metrics: JSONColumnType<BinaryMetrics>;
  gates: JSONColumnType<GateResult[]>;
  created_by: string;
  created_at: number;
};

type EvaluationTables = {
  "evaluation.evaluations": EvaluationTable;
  "evaluation.latest_v1": { version_id: string; metrics: JSONColumnType<BinaryMetrics> };
};

const tables = (sql: Sql) => sql.withTables<EvaluationTables>();

export interface NewEvaluation extends Evaluation {
  readonly organisationId: string;
  readonly createdBy: string;
}

export async function insertEvaluation(sql: Sql, row: NewEvaluation): Promise<void> {
  await tables(sql)
    .insertInto("evaluation.evaluations")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      version_id: row.versionId,
      model: row.model,
      version: row.version,
      artifact: row.artifact,
      dataset: row.dataset,
      metrics: JSON.stringify(row.metrics),
      gates: JSON.stringify(row.gates),
      created_by: row.createdBy,
      created_at: row.createdAt,
    })
    .execute();
}

/** Newest first. */
export async function listEvaluations(
  sql: Sql,
  organisationId: string,
  model: string,
  version: number,
): Promise<Evaluation[]> {
  const rows = await tables(sql)
    .selectFrom("evaluation.evaluations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("version", "=", version)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(100)
    .execute();
  return rows.map(toEvaluation);
}

/** What the newest evaluation of a version measured; `undefined` when there was none. */
export async function latestMetrics(sql: Sql, versionId: string): Promise<BinaryMetrics | undefined> {
  const row = await tables(sql)
    .selectFrom("evaluation.latest_v1")
    .select("metrics")
    .where("version_id", "=", versionId)
    .executeTakeFirst();
  return row?.metrics;
}

function toEvaluation(row: Selectable<EvaluationTable>): Evaluation {
  return {
    id: row.id,
    versionId: row.version_id,
    model: row.model,
    version: row.version,
    artifact: row.artifact,
    dataset: row.dataset,
    metrics: row.metrics,
    gates: row.gates,
    createdAt: row.created_at,
  };
}
