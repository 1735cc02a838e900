import type { Sql } from "@portolan/kernel";
import type { JSONColumnType } from "kysely";
import type { PlanDocument } from "./plan-json.ts";

type PlanTable = {
  id: string;
  organisation_id: string;
  charter_id: string | null;
  use_case_id: string | null;
  business_unit_id: string | null;
  team_id: string | null;
  use_case_name: string;
  charter_digest: string;
  plan: JSONColumnType<PlanDocument>;
  plan_digest: string;
  created_at: number;
  created_by: string;
};

const tables = (sql: Sql) => sql.withTables<{ "planner.plans": PlanTable }>();

/** A plan as it is kept. */
export interface StoredPlan {
  readonly id: string;
  readonly organisationId: string;
  readonly charterId?: string;
  readonly useCaseId?: string;
  readonly businessUnitId?: string;
  readonly teamId?: string;
  readonly charterDigest: string;
  readonly plan: PlanDocument;
  readonly planDigest: string;
  readonly createdAt: number;
  readonly createdBy: string;
}

export async function insertPlan(sql: Sql, row: StoredPlan): Promise<void> {
  await tables(sql)
    .insertInto("planner.plans")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      charter_id: row.charterId ?? null,
      use_case_id: row.useCaseId ?? null,
      business_unit_id: row.businessUnitId ?? null,
      team_id: row.teamId ?? null,
      use_case_name: row.plan.useCase,
      charter_digest: row.charterDigest,
      plan: JSON.stringify(row.plan),
      plan_digest: row.planDigest,
      created_at: row.createdAt,
      created_by: row.createdBy,
    })
    .execute();
}

export async function findPlan(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredPlan | undefined> {
  const row = await tables(sql)
    .selectFrom("planner.plans")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (!row) return undefined;
  return {
    id: row.id,
    organisationId: row.organisation_id,
    ...(row.charter_id === null ? {} : { charterId: row.charter_id }),
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    ...(row.business_unit_id === null ? {} : { businessUnitId: row.business_unit_id }),
    ...(row.team_id === null ? {} : { teamId: row.team_id }),
    charterDigest: row.charter_digest,
    plan: row.plan,
    planDigest: row.plan_digest,
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}
