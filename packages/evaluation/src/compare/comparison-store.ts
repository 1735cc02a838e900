import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { ComparisonEvidence } from "./challenger-gate.ts";
import type { Comparison } from "./contract.ts";

type ComparisonTable = {
  id: string;
  organisation_id: string;
  model: string;
  challenger: number;
  champion: number;
  challenger_version_id: string;
  champion_version_id: string;
  training_set_id: string;
  champion_training_set_id: string;
  dataset: string;
  row_count: number;
  positives: number | null;
  queries: number | null;
  rarest_class: number | null;
  sets_tried: number;
  held_out: JSONColumnType<Comparison["heldOut"]>;
  rule: JSONColumnType<Comparison["rule"]>;
  compared: JSONColumnType<Comparison["values"]>;
  is_better: boolean;
  created_by: string;
  created_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "evaluation.comparisons": ComparisonTable }>();

export interface NewComparison extends Comparison {
  readonly organisationId: string;
  readonly createdBy: string;
}

export async function insertComparison(sql: Sql, row: NewComparison): Promise<void> {
  await tables(sql)
    .insertInto("evaluation.comparisons")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      model: row.model,
      challenger: row.challenger,
      champion: row.champion,
      challenger_version_id: row.challengerVersionId,
      champion_version_id: row.championVersionId,
      training_set_id: row.trainingSetId,
      champion_training_set_id: row.championTrainingSetId,
      dataset: row.dataset,
      row_count: row.rows,
      positives: row.positives ?? null,
      queries: row.queries ?? null,
      rarest_class: row.rarestClass ?? null,
      sets_tried: row.setsTried,
      held_out: JSON.stringify(row.heldOut),
      rule: JSON.stringify(row.rule),
      compared: JSON.stringify(row.values),
      is_better: row.isBetter,
      created_by: row.createdBy,
      created_at: row.createdAt,
    })
    .execute();
}

/** Of a version as challenger, newest first. */
export async function listComparisons(
  sql: Sql,
  organisationId: string,
  model: string,
  challenger: number,
): Promise<Comparison[]> {
  const rows = await tables(sql)
    .selectFrom("evaluation.comparisons")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("challenger", "=", challenger)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(100)
    .execute();
  return rows.map(toComparison);
}

/** Digests of the sets of rows that two versions were compared on, under whatever rule. */
export async function comparedSets(
  sql: Sql,
  challengerVersionId: string,
  championVersionId: string,
): Promise<ReadonlySet<string>> {
  const rows = await tables(sql)
    .selectFrom("evaluation.comparisons")
    .select("dataset")
    .distinct()
    .where("challenger_version_id", "=", challengerVersionId)
    .where("champion_version_id", "=", championVersionId)
    .execute();
  return new Set(rows.map(({ dataset }) => dataset));
}

/** What the newest hundred comparisons of exactly these two versions found, newest first. */
export async function comparisonsOf(
  sql: Sql,
  challengerVersionId: string,
  championVersionId: string,
): Promise<ComparisonEvidence[]> {
  const rows = await tables(sql)
    .selectFrom("evaluation.comparisons")
    .selectAll()
    .where("challenger_version_id", "=", challengerVersionId)
    .where("champion_version_id", "=", championVersionId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(100)
    .execute();
  return rows.map(toComparison);
}

function toComparison(row: Selectable<ComparisonTable>): Comparison {
  return {
    id: row.id,
    model: row.model,
    challenger: row.challenger,
    champion: row.champion,
    challengerVersionId: row.challenger_version_id,
    championVersionId: row.champion_version_id,
    trainingSetId: row.training_set_id,
    championTrainingSetId: row.champion_training_set_id,
    dataset: row.dataset,
    heldOut: row.held_out,
    rows: row.row_count,
    ...(row.positives === null ? {} : { positives: row.positives }),
    ...(row.queries === null ? {} : { queries: row.queries }),
    ...(row.rarest_class === null ? {} : { rarestClass: row.rarest_class }),
    setsTried: row.sets_tried,
    rule: row.rule,
    values: row.compared,
    isBetter: row.is_better,
    createdAt: row.created_at,
  };
}
