import type { Environment, Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Policies that say when the models of these endpoints are trained again. */
export async function retrainingFacts(
  session: Sql,
  of: FactsOf,
  endpoints: readonly { readonly environment: Environment; readonly name: string }[],
): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select r.endpoint, r.set_at, r.environment, 'set by ' || r.set_by, '/v1/endpoints/' || r.endpoint || '/retraining-policy?environment=' || r.environment
      from retraining.policies as r
      join jsonb_to_recordset(${JSON.stringify(endpoints)}::jsonb) as p (environment text, name text)
        on p.environment = r.environment and p.name = r.endpoint
      where r.organisation_id = ${of.organisationId}`,
  );
}
