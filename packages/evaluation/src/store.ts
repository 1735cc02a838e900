import type { Environment, Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { Evaluation, GateResult, HeldOut, RowMetrics } from "./contract.ts";
import type { Evidence } from "./gates.ts";
import type { Span } from "./held-out.ts";

type EvaluationTable = {
  id: string;
  organisation_id: string;
  version_id: string;
  model: string;
  version: number;
  artifact: string;
  training_set_id: string;
  dataset: string;
  held_out: JSONColumnType<HeldOut>;
  metrics: JSONColumnType<RowMetrics>;
  gates: JSONColumnType<GateResult[]>;
  created_by: string;
  created_at: number;
};

/** A view of `features`, named in its migrations: training sets that are ready. */
type TrainingSetView = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string | null;
  manifest: JSONColumnType<
    Span & {
      object: string;
      dataset: string;
      features: string[];
      label: string;
      baseline?: string;
      attributes?: { name: string; expression: string }[];
    }
  >;
};

type EvaluationTables = {
  "evaluation.evaluations": EvaluationTable;
  "evaluation.latest_v1": {
    version_id: string;
    metrics: JSONColumnType<RowMetrics>;
    held_out: JSONColumnType<HeldOut>;
  };
  "features.training_sets_v1": TrainingSetView;
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
      training_set_id: row.trainingSetId,
      dataset: row.dataset,
      held_out: JSON.stringify(row.heldOut),
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

/** What the newest evaluation of a version found; `undefined` when there was none. */
export async function latestEvidence(sql: Sql, versionId: string): Promise<Evidence | undefined> {
  const row = await tables(sql)
    .selectFrom("evaluation.latest_v1")
    .select(["metrics", "held_out"])
    .where("version_id", "=", versionId)
    .executeTakeFirst();
  return row && { metrics: row.metrics, heldOut: row.held_out };
}

/** Rows that the platform built point-in-time, with the label and the baseline that their definition fixes. */
export interface EvaluationSet extends Span {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly object: string;
  /** Digest of the snapshot that its rows are from. */
  readonly dataset: string;
  readonly features: readonly string[];
  readonly label: string;
  readonly baseline?: string;
  /** Columns beside the features, and what the set's author made them of. */
  readonly attributes: readonly { readonly name: string; readonly expression: string }[];
}

/** A ready set of the organisation. */
export async function findSet(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<EvaluationSet | undefined> {
  const row = await tables(sql)
    .selectFrom("features.training_sets_v1")
    .select(["id", "environment", "use_case_id", "manifest"])
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (!row) return undefined;
  const { from, to, definition, object, dataset, features, label, baseline, attributes = [] } = row.manifest;
  return {
    id: row.id,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    from,
    to,
    definition,
    object,
    dataset,
    features,
    label,
    attributes,
    ...(baseline === undefined ? {} : { baseline }),
  };
}

function toEvaluation(row: Selectable<EvaluationTable>): Evaluation {
  return {
    id: row.id,
    versionId: row.version_id,
    model: row.model,
    version: row.version,
    artifact: row.artifact,
    trainingSetId: row.training_set_id,
    dataset: row.dataset,
    heldOut: row.held_out,
    metrics: row.metrics,
    gates: row.gates,
    createdAt: row.created_at,
  };
}
