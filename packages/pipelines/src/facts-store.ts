import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Published pipelines of a use case. */
export async function pipelineFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select name || '@' || version, published_at, environment, null::text, '/v1/pipelines/' || name || '?environment=' || environment
      from pipelines.definitions where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}`,
  );
}
