import type { Environment, Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/kernel/facts";
import { sql } from "kysely";

/** Endpoints of a use case, dated by their first deployment; those that read feature views; their deployments that had one before; declared gateways. */
export async function servingFacts(
  session: Sql,
  of: FactsOf,
): Promise<
  Readonly<Record<"endpoint" | "endpoint_with_features" | "earlier_deployment" | "gateway", RecordedFact[]>>
> {
  const { organisationId, useCaseId } = of;
  const own = sql`(select * from serving.endpoints as e where organisation_id = ${organisationId} and use_case_id = ${useCaseId}
    and not exists (select from serving.halts as h where h.endpoint_id = e.id and h.resumed_at is null))`;
  const link = sql`'/v1/endpoints'`;
  return {
    endpoint: await readFacts(
      session,
      of,
      sql`select name, created_at, environment, 'first deployed', ${link} from ${own} as e`,
    ),
    endpoint_with_features: await readFacts(
      session,
      of,
      sql`select e.name, d.deployed_at, e.environment, jsonb_array_length(d.route #> '{features,views}') || ' feature views', ${link}
        from ${own} as e join serving.deployments as d on d.id = e.deployment_id
        where jsonb_array_length(d.route #> '{features,views}') > 0`,
    ),
    earlier_deployment: await readFacts(
      session,
      of,
      sql`select e.name, d.deployed_at, e.environment, 'replaced ' || d.previous_id, ${link}
        from ${own} as e join serving.deployments as d on d.endpoint_id = e.id where d.previous_id is not null`,
    ),
    gateway: await readFacts(
      session,
      of,
      sql`select name, declared_at, null::text, region, '/v1/gateways' from serving.gateways where organisation_id = ${organisationId}`,
    ),
  };
}

/** Endpoints of a use case by name, and the ids of their deployments after the first. */
export async function endpointsOf(
  session: Sql,
  { organisationId, useCaseId, environments }: FactsOf,
): Promise<
  { readonly environment: Environment; readonly name: string; readonly later: readonly string[] }[]
> {
  const { rows } = await sql<{ environment: Environment; name: string; later: string[] }>`
    select e.environment, e.name,
      coalesce(jsonb_agg(d.id order by d.deployed_at) filter (where d.previous_id is not null), '[]') as later
    from serving.endpoints as e join serving.deployments as d on d.endpoint_id = e.id
    where e.organisation_id = ${organisationId} and e.use_case_id = ${useCaseId} and e.environment = any(${`{${environments.join(",")}}`}::text[])
    group by 1, 2 order by 1, 2`.execute(session);
  return rows;
}
