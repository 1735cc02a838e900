import type { Environment, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { tables } from "./tables.ts";

/** Endpoints of an organisation whose reviews wait beyond their due time: for control's own rounds. */
export async function overdueReviews(
  sql: Sql,
  organisationId: string,
  now: number,
): Promise<
  {
    readonly environment: Environment;
    readonly useCaseId: string;
    readonly endpoint: string;
    readonly overdue: number;
    /** When the first of them was due, epoch microseconds. */
    readonly dueAt: number;
  }[]
> {
  const rows = await tables(sql)
    .selectFrom("oversight.reviews")
    .select(["environment", "use_case_id", "endpoint", raw<number>`count(*)::int`.as("overdue")])
    .select(({ fn }) => fn.min("due_at").as("due_at"))
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "open")
    .where("due_at", "<", now)
    .groupBy(["environment", "use_case_id", "endpoint"])
    .execute();
  return rows.map(({ use_case_id: useCaseId, due_at: dueAt, ...row }) => ({
    ...row,
    useCaseId,
    dueAt: Number(dueAt),
  }));
}
