import type { Sql } from "@portolan/kernel";
import {
  type FactsOf,
  newestShown,
  oldestShown,
  type RecordedFact,
  readFacts,
} from "@portolan/recorded-facts";
import { sql } from "kysely";

/** Signed checkpoints of the organisation's ledger. */
export async function ledgerFacts(session: Sql, of: FactsOf): Promise<RecordedFact[]> {
  // From both ends of an index: there is one more with every few rows, for ever.
  const signed = sql`select size, signed_at from ledger.checkpoints where organisation_id = ${of.organisationId} and size > 0`;
  return readFacts(
    session,
    of,
    sql`select 'checkpoint ' || size, signed_at, null::text, size || ' rows', '/v1/ledger/' || ${of.organisationId} || '/checkpoint'
      from ((${signed} order by signed_at desc, size desc limit ${newestShown}) union (${signed} order by signed_at, size limit ${oldestShown})) as c`,
  );
}
