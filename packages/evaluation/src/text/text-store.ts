import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { GateResult, HeldOut } from "../contract.ts";
import type { TextEvaluation, TextMetrics, TextSet } from "./contract.ts";
import type { TextEvidence } from "./text-gates.ts";

type TextSetTable = {
  id: string;
  organisation_id: string;
  use_case_id: string;
  name: string;
  version: number;
  object: string;
  cases: number;
  held_out: string | null;
  created_by: string;
  created_at: number;
};

type TextEvaluationTable = {
  id: string;
  organisation_id: string;
  version_id: string;
  model: string;
  version: number;
  artifact: string;
  set_id: string;
  results: string;
  held_out: JSONColumnType<HeldOut>;
  metrics: JSONColumnType<TextMetrics>;
  gates: JSONColumnType<GateResult[]>;
  created_by: string;
  created_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "evaluation.text_sets": TextSetTable;
    "evaluation.text_evaluations": TextEvaluationTable;
  }>();

export async function insertTextSet(sql: Sql, organisationId: string, set: TextSet): Promise<void> {
  await tables(sql)
    .insertInto("evaluation.text_sets")
    .values({
      id: set.id,
      organisation_id: organisationId,
      use_case_id: set.useCaseId,
      name: set.name,
      version: set.version,
      object: set.object,
      cases: set.cases,
      held_out: set.heldOut ?? null,
      created_by: set.createdBy,
      created_at: set.createdAt,
    })
    .execute();
}

export async function findTextSet(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<TextSet | undefined> {
  const row = await tables(sql)
    .selectFrom("evaluation.text_sets")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && toSet(row);
}

/** Newest first; of one use case and name where they are given. */
export async function listTextSets(
  sql: Sql,
  organisationId: string,
  of?: { readonly useCaseId: string; readonly name: string },
): Promise<TextSet[]> {
  let query = tables(sql)
    .selectFrom("evaluation.text_sets")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  if (of) query = query.where("use_case_id", "=", of.useCaseId).where("name", "=", of.name);
  const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(1000).execute();
  return rows.map(toSet);
}

export interface NewTextEvaluation extends TextEvaluation {
  readonly organisationId: string;
  readonly createdBy: string;
}

export async function insertTextEvaluation(sql: Sql, row: NewTextEvaluation): Promise<void> {
  await tables(sql)
    .insertInto("evaluation.text_evaluations")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      version_id: row.versionId,
      model: row.model,
      version: row.version,
      artifact: row.artifact,
      set_id: row.setId,
      results: row.results,
      held_out: JSON.stringify(row.heldOut),
      metrics: JSON.stringify(row.metrics),
      gates: JSON.stringify(row.gates),
      created_by: row.createdBy,
      created_at: row.createdAt,
    })
    .execute();
}

/** Newest first. */
export async function listTextEvaluations(
  sql: Sql,
  organisationId: string,
  model: string,
  version: number,
): Promise<TextEvaluation[]> {
  const rows = await tables(sql)
    .selectFrom("evaluation.text_evaluations")
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

/** What the newest evaluation of a text version found; `undefined` when there was none. */
export async function latestTextEvidence(sql: Sql, versionId: string): Promise<TextEvidence | undefined> {
  const row = await tables(sql)
    .selectFrom("evaluation.text_evaluations")
    .select(["metrics", "held_out"])
    .where("version_id", "=", versionId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && { metrics: row.metrics, heldOut: row.held_out };
}

function toSet(row: Selectable<TextSetTable>): TextSet {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    useCaseId: row.use_case_id,
    object: row.object,
    cases: row.cases,
    ...(row.held_out === null ? {} : { heldOut: row.held_out }),
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}

function toEvaluation(row: Selectable<TextEvaluationTable>): TextEvaluation {
  return {
    id: row.id,
    versionId: row.version_id,
    model: row.model,
    version: row.version,
    artifact: row.artifact,
    setId: row.set_id,
    results: row.results,
    heldOut: row.held_out,
    metrics: row.metrics,
    gates: row.gates,
    createdAt: row.created_at,
  };
}
