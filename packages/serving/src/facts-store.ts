import type { Environment, Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Endpoints of a use case, dated by their first deployment; those that read feature views, since they do; their deployments that had one before; declared gateways. */
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
      sql`select e.name, min(d.deployed_at), e.environment, jsonb_array_length(c.route #> '{features,views}') || ' feature views', ${link}
        from ${own} as e join serving.deployments as c on c.id = e.deployment_id join serving.deployments as d on d.endpoint_id = e.id
        where jsonb_array_length(c.route #> '{features,views}') > 0 and jsonb_array_length(d.route #> '{features,views}') > 0
        group by e.name, e.environment, c.route`,
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

/** An endpoint of a use case, and how the version that it serves came there. */
export interface EndpointOrigin {
  readonly environment: Environment;
  readonly name: string;
  /** Who deployed the version in the place of another one; absent: it was the endpoint's first. */
  readonly replacedBy?: string;
}

export async function endpointsOf(
  session: Sql,
  { organisationId, useCaseId, environments }: FactsOf,
): Promise<EndpointOrigin[]> {
  const { rows } = await sql<{ environment: Environment; name: string; replaced_by: string | null }>`
    select distinct on (e.environment, e.name) e.environment, e.name, case when p.id is null then null else d.deployed_by end as replaced_by
    from serving.endpoints as e
    join serving.deployments as c on c.id = e.deployment_id
    join serving.deployments as d on d.endpoint_id = e.id
      and d.route #>> '{model,name}' = c.route #>> '{model,name}' and d.route #>> '{model,version}' = c.route #>> '{model,version}'
    left join serving.deployments as p on p.id = d.previous_id
    where e.organisation_id = ${organisationId} and e.use_case_id = ${useCaseId} and e.environment = any(${`{${environments.join(",")}}`}::text[])
      and (p.id is null or p.route #>> '{model,name}' <> d.route #>> '{model,name}' or p.route #>> '{model,version}' <> d.route #>> '{model,version}')
    order by e.environment, e.name, d.deployed_at desc, d.id desc`.execute(session);
  return rows.map(({ environment, name, replaced_by: replacedBy }) => ({
    environment,
    name,
    ...(replacedBy === null ? {} : { replacedBy }),
  }));
}
