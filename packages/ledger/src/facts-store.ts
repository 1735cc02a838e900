import type { Sql } from "@portolan/kernel";
import { type FactsOf, type RecordedFact, readFacts } from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Signed checkpoints of the organisation's ledger. */
export async function ledgerFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  return readFacts(
    session,
    of,
    sql`select 'checkpoint ' || size, signed_at, null::text, size || ' rows', '/v1/ledger/' || organisation_id || '/checkpoint'
      from ledger.checkpoints where organisation_id = ${of.organisationId} and size > 0`,
  );
}
