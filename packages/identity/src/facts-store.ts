import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Roles that are held for a use case or its team alone. */
export async function identityFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select b.id, b.created_at, null::text, b.role || ' for the ' || replace(b.scope_kind, '_', ' '), '/v1/role-bindings'
      from identity.role_bindings as b join identity.use_cases as u on u.id = ${of.useCaseId} and b.scope_id in (u.id, u.team_id)
      where b.organisation_id = ${of.organisationId} and b.revoked_at is null`,
  );
}
