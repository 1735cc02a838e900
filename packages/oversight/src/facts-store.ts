import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Reviews of a use case's answers that people concluded. */
export async function reviewFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select r.id, c.concluded_at, r.environment, null::text, '/v1/reviews/' || r.id
      from oversight.claims as c join oversight.reviews as r on r.id = c.review_id
      where r.organisation_id = ${of.organisationId} and r.use_case_id = ${of.useCaseId} and c.concluded_at is not null`,
  );
}
