import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Runs of a use case that succeeded: each has its training set, code, locked packages, parameters and seed on the record. */
export async function trainingFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select id, finished_at, environment, 'seed ' || (request ->> 'seed') || ', from ' || (request ->> 'trainingSetId'), '/v1/training-runs/' || id
      from training.runs where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId} and state = 'succeeded'`,
  );
}
