import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Months in which usage of a use case is on record, in any of the environments. */
export async function meteringFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select period, min(recorded_at), null::text, count(distinct resource) || ' resources', '/v1/usage?period=' || period
      from metering.usage where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}
        and (environment = '' or environment = any(${`{${of.environments.join(",")}}`}::text[]))
      group by period`,
  );
}
