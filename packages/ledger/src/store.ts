import { type KeyRing, plannedOnce, type SigningKey, type Sql } from "@portolan/kernel";
import { type Kysely, sql as raw } from "kysely";
import type { RowPayload, SealedRow } from "./row-format.ts";
import type { LedgerTables } from "./tables.ts";

export type LedgerSql = Kysely<LedgerTables>;

/** The schema's tables over any session. For the stores of this package. */
export function tables(sql: Sql): LedgerSql {
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
  const result = await query.modifyEnd(raw.raw(plannedOnce)).executeTakeFirst();
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

/** Ids of the keys that ever signed a checkpoint of this log. */
export async function checkpointKeyIds(sql: Sql, organisationId: string): Promise<readonly string[]> {
  const rows = await tables(sql)
    .selectFrom("ledger.checkpoints")
    .select("key_id")
    .distinct()
    .where("organisation_id", "=", organisationId)
    .execute();
  return rows.map((row) => row.key_id);
}

/** The keys of these ids, and the current one. Outside any unit of work: the key ring opens its own. */
export async function ledgerKeys(keys: KeyRing, ids: readonly string[]): Promise<readonly SigningKey[]> {
  const current = await keys.current("ledger");
  const found = new Map<string, SigningKey>([[current.id, current]]);
  for (const id of ids) {
    const key = await keys.find(id);
    if (key !== undefined) found.set(id, key);
  }
  return [...found.values()];
}
