import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Feature views that speak for a use case: its own, and those that its training sets were built from. */
export async function featureFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  const { organisationId, useCaseId } = of;
  return readFacts(
    session,
    of,
    sql`select v.name || '@' || v.version, v.published_at, null::text, null::text, '/v1/feature-views/' || v.name
      from features.views as v where v.organisation_id = ${organisationId} and (v.use_case_id = ${useCaseId}
        or v.name in (select named ->> 'view' from features.training_sets as t, jsonb_array_elements(t.request -> 'views') as named
          where t.organisation_id = ${organisationId} and t.use_case_id = ${useCaseId} and t.state = 'ready'))`,
  );
}
