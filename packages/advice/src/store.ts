import type { Environment, Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { Recommendation } from "./contract.ts";

type Table = {
  organisation_id: string;
  id: string;
  environment: Environment;
  use_case_id: string | null;
  recommendation: JSONColumnType<Recommendation>;
  state: "open" | "followed" | "dismissed";
  first_found_at: number;
  cost_before: string | null;
  cost_after: string | null;
  gone_at: number | null;
  dismissed_by: string | null;
  dismissed_at: number | null;
  reason: string | null;
};
export type AdviceRow = Selectable<Table>;

const tables = (sql: Sql) => sql.withTables<{ "advice.recommendations": Table }>();

export async function listAdvice(sql: Sql, organisationId: string): Promise<AdviceRow[]> {
  return tables(sql)
    .selectFrom("advice.recommendations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("first_found_at")
    .orderBy("id")
    .execute();
}

export async function findAdvice(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<AdviceRow | undefined> {
  return tables(sql)
    .selectFrom("advice.recommendations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

export interface FoundAdvice {
  readonly organisationId: string;
  readonly recommendation: Recommendation;
  readonly costBefore: string | null;
  readonly at: number;
}

/** Found for the first time, or again; what was dismissed stays so, and what was followed and has come back is open. */
export async function saveFound(sql: Sql, found: readonly FoundAdvice[]): Promise<void> {
  for (const { organisationId, recommendation, costBefore, at } of found) {
    const { id, subject } = recommendation;
    const now = { recommendation: JSON.stringify(recommendation), cost_before: costBefore };
    await tables(sql)
      .insertInto("advice.recommendations")
      .values({
        organisation_id: organisationId,
        id,
        environment: subject.environment,
        use_case_id: subject.useCaseId ?? null,
        ...now,
        state: "open",
        first_found_at: at,
        cost_after: null,
        gone_at: null,
        dismissed_by: null,
        dismissed_at: null,
        reason: null,
      })
      .onConflict((conflict) =>
        conflict.columns(["organisation_id", "id"]).doUpdateSet((eb) => ({
          ...now,
          state: eb
            .case()
            .when(eb.ref("advice.recommendations.state"), "=", "dismissed")
            .then("dismissed" as const)
            .else("open" as const)
            .end(),
          gone_at: null,
          cost_after: null,
        })),
      )
      .execute();
  }
}

export async function saveFollowed(
  sql: Sql,
  row: Pick<AdviceRow, "organisation_id" | "id">,
  { at, costAfter }: { readonly at: number; readonly costAfter: string | null },
): Promise<void> {
  await tables(sql)
    .updateTable("advice.recommendations")
    .set({ state: "followed", gone_at: at, cost_after: costAfter })
    .where("organisation_id", "=", row.organisation_id)
    .where("id", "=", row.id)
    .where("state", "=", "open")
    .execute();
}

/** @returns false where it was not open */
export async function saveDismissed(
  sql: Sql,
  row: Pick<AdviceRow, "organisation_id" | "id">,
  { at, by, reason }: { readonly at: number; readonly by: string; readonly reason: string },
): Promise<boolean> {
  const [{ numUpdatedRows } = { numUpdatedRows: 0n }] = await tables(sql)
    .updateTable("advice.recommendations")
    .set({ state: "dismissed", dismissed_by: by, dismissed_at: at, reason })
    .where("organisation_id", "=", row.organisation_id)
    .where("id", "=", row.id)
    .where("state", "=", "open")
    .execute();
  return numUpdatedRows > 0n;
}
