import type { Sql } from "@portolan/kernel";
import type { Kysely } from "kysely";
import type { RowPayload, SealedRow } from "./row-format.ts";
import type { LedgerTables } from "./tables.ts";

function tables(sql: Sql): Kysely<LedgerTables> {
  return sql.withTables<LedgerTables>();
}

/** False when the organisation already has a row with this batch key; nothing is written then. */
export async function insertRow(
  sql: Sql,
  row: SealedRow & { readonly content: RowPayload },
  batchKey: string | undefined,
): Promise<boolean> {
  const insert = tables(sql)
    .insertInto("ledger.rows")
    .values({
      id: row.header.id,
      organisation_id: row.header.organisation,
      class: row.header.class,
      at: row.header.at,
      entry: row.entry,
      leaf_hash: row.leafHash,
      salt: row.salt,
      payload: row.payload,
      event: row.content.event,
      subject: row.content.subject,
      actor_id: row.content.actor.id,
      request_id: row.content.requestId,
      batch_key: batchKey ?? null,
      position: null,
    });
  const query =
    batchKey === undefined
      ? insert
      : insert.onConflict((conflict) => conflict.columns(["organisation_id", "batch_key"]).doNothing());
  const result = await query.executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export async function rowIdByBatchKey(
  sql: Sql,
  organisationId: string,
  batchKey: string,
): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("ledger.rows")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("batch_key", "=", batchKey)
    .executeTakeFirst();
  return row?.id;
}
