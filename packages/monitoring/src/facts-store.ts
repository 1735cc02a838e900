import type { Environment, Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

interface Watched {
  readonly versionIds: readonly string[];
  readonly endpoints: readonly { readonly environment: Environment; readonly name: string }[];
}

/** What is counted at the endpoints of a use case, what its versions are compared with, and who is told of alerts. */
export async function monitoringFacts(
  session: Sql,
  of: FactsOf,
  { versionIds, endpoints }: Watched,
): Promise<
  Readonly<Record<"request_count" | "reference_profile" | "drift_window" | "alert_route", RecordedFact[]>>
> {
  const { organisationId, useCaseId } = of;
  const places = sql`(select environment, name from jsonb_to_recordset(${JSON.stringify(endpoints)}::jsonb) as p (environment text, name text))`;
  return {
    request_count: await readFacts(
      session,
      of,
      sql`select endpoint, m.at, environment, total || ' requests', '/v1/endpoints/' || endpoint || '/objectives/status?environment=' || environment
        from ${places} as p (environment, endpoint),
          lateral (select sum(requests) as total, array[min(minute), max(minute)] as minutes
            from monitoring.request_counts as r
            where r.organisation_id = ${organisationId} and r.environment = p.environment and r.endpoint = p.endpoint and r.requests > 0) as c,
          lateral (select distinct unnest(c.minutes)) as m (at) where m.at is not null`,
    ),
    reference_profile: await readFacts(
      session,
      of,
      sql`select model || ' ' || version, created_at, null::text, null::text, '/v1/models/' || model || '/versions/' || version || '/reference-profile'
        from monitoring.reference_profiles where version_id = any(${`{${versionIds.join(",")}}`}::text[])`,
    ),
    drift_window: await readFacts(
      session,
      of,
      sql`select endpoint, w.at, environment, total || ' rows counted', '/v1/endpoints/' || endpoint || '/drift-counts?environment=' || environment
        from (select distinct endpoint from ${places} as p (environment, endpoint)) as p,
          lateral (select environment, sum(rows) as total, array[min(window_start), max(window_start)] as starts
            from monitoring.drift_windows as w
            where w.organisation_id = ${organisationId} and w.use_case_id = ${useCaseId} and w.endpoint = p.endpoint group by 1) as d,
          lateral (select distinct unnest(d.starts)) as w (at)`,
    ),
    alert_route: await readFacts(
      session,
      of,
      sql`select id, created_at, environment, 'to ' || destination, '/v1/alert-routes'
        from monitoring.alert_routes where organisation_id = ${organisationId} and removed_at is null
          and (use_case_id is null or use_case_id = ${useCaseId})`,
    ),
  };
}
