import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Plans that are kept of a use case. */
export async function planFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select id, created_at, null::text, null::text, '/v1/plans/' || id
      from planner.plans where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}`,
  );
}
