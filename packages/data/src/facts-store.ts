import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Contracts, snapshots and policies that speak for a use case. Contracts are those that it owns or has snapshots under; policies are the organisation's. */
export async function dataFacts(
  session: Sql,
  of: FactsOf,
): Promise<Readonly<Record<"contract" | "dataset" | "data_policy", RecordedFact[]>>> {
  const { organisationId, useCaseId } = of;
  return {
    contract: await readFacts(
      session,
      of,
      sql`select c.name || '@' || c.version, c.published_at, null::text, null::text, '/v1/contracts/' || c.name
        from data.contracts as c where c.organisation_id = ${organisationId} and (c.use_case_id = ${useCaseId}
          or exists (select from data.datasets as d where d.organisation_id = ${organisationId} and d.use_case_id = ${useCaseId} and d.contract = c.name))`,
    ),
    dataset: await readFacts(
      session,
      of,
      sql`select id, published_at, environment, row_count || ' rows under ' || contract, '/v1/datasets/' || id
        from data.datasets where organisation_id = ${organisationId} and use_case_id = ${useCaseId} and expired_at is null`,
    ),
    data_policy: await readFacts(
      session,
      of,
      sql`select name, published_at, null::text, null::text, '/v1/access-policies'
        from data.access_policies where organisation_id = ${organisationId} and withdrawn_at is null`,
    ),
  };
}
