import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/kernel/facts";
import { sql } from "kysely";

/** Releases of a use case that went to their end, and approvals of them by somebody else than who asked. */
export async function rolloutFacts(
  session: Sql,
  of: FactsOf,
): Promise<Readonly<Record<"released" | "second_approval", RecordedFact[]>>> {
  const own = sql`organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId}`;
  return {
    released: await readFacts(
      session,
      of,
      sql`select id, ended_at, environment, endpoint || ' to ' || model || ' ' || version, '/v1/releases/' || id
        from rollout.releases where ${own} and state = 'promoted'`,
    ),
    second_approval: await readFacts(
      session,
      of,
      sql`select r.id, a.approved_at, r.environment, 'approved by ' || a.approved_by, '/v1/releases/' || r.id
        from rollout.approvals as a join rollout.releases as r on r.id = a.release_id
        where ${own} and a.approved_by <> r.requested_by`,
    ),
  };
}

/** Ids of all deployments that releases of a use case made. */
export async function releasedDeployments(
  session: Sql,
  { organisationId, useCaseId }: Pick<FactsOf, "organisationId" | "useCaseId">,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    with own as (select id, deployment_id from rollout.releases where organisation_id = ${organisationId} and use_case_id = ${useCaseId})
    select deployment_id as id from own where deployment_id is not null
    union select s.deployment_id from rollout.steps as s join own on own.id = s.release_id`.execute(session);
  return new Set(rows.map(({ id }) => id));
}
