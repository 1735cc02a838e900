import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Versions of a use case, what was measured of them, their promotions, and those that somebody else than the author promoted. */
export async function registryFacts(
  session: Sql,
  of: FactsOf,
): Promise<
  Readonly<Record<"version" | "compute_profile" | "promotion" | "second_approval", RecordedFact[]>>
> {
  const versions = sql`(select id, model, version, lineage, signed_at, created_by, model || ' ' || version as name,
      '/v1/models/' || model || '/versions/' || version as link
    from registry.versions where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId})`;
  const promotions = (beside: boolean) =>
    readFacts(
      session,
      of,
      sql`select v.name, p.promoted_at, p.environment, 'promoted by ' || p.promoted_by, v.link
        from registry.promotions as p join ${versions} as v on v.id = p.version_id
        where not ${beside}::boolean or p.promoted_by <> v.created_by`,
    );
  return {
    version: await readFacts(
      session,
      of,
      sql`select name, signed_at, null::text, lineage ->> 'origin', link from ${versions} as v`,
    ),
    compute_profile: await readFacts(
      session,
      of,
      sql`select v.name, c.measured_at, null::text, null::text, v.link || '/compute-profile'
        from registry.compute_profiles as c join ${versions} as v on v.id = c.version_id`,
    ),
    promotion: await promotions(false),
    second_approval: await promotions(true),
  };
}

/** Ids of a use case's versions, for the records that others keep of them. */
export async function versionIdsOf(
  session: Sql,
  { organisationId, useCaseId }: Pick<FactsOf, "organisationId" | "useCaseId">,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from registry.versions where organisation_id = ${organisationId} and use_case_id = ${useCaseId}`.execute(
    session,
  );
  return rows.map(({ id }) => id);
}

/** Whether a version is, or was, promoted to production. */
export async function wasPromoted(session: Sql, versionId: string): Promise<boolean> {
  const { rows } = await sql`
    select from registry.promotions where version_id = ${versionId} and environment = 'production' limit 1`.execute(
    session,
  );
  return rows.length > 0;
}
