import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Releases of a use case that went to their end, and approvals of them by somebody else than who asked. */
export async function rolloutFacts(
  session: Sql,
  of: FactsOf,
): Promise<Readonly<Record<"released" | "second_approval", RecordedFact[]>>> {
  const own = sql`organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}`;
  return {
    released: await readFacts(
      session,
      of,
      sql`select id, ended_at, environment, endpoint || ' to ' || model || ' ' || version, '/v1/releases/' || id
        from rollout.releases where ${own} and state = 'promoted'`,
    ),
    second_approval: await readFacts(
      session,
      of,
      sql`select r.id, a.approved_at, r.environment, 'approved by ' || a.approved_by, '/v1/releases/' || r.id
        from rollout.approvals as a join rollout.releases as r on r.id = a.release_id
        where ${own} and a.approved_by <> r.requested_by`,
    ),
  };
}
