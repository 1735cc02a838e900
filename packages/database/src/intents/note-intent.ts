import { type JsonObject, newId } from "@portolan/kernel";
import type { TransactionContext } from "../unit-of-work.ts";
import { intentTables } from "./intent-tables.ts";

/** Notes an intention in the caller's transaction; resolves to its id. */
export async function noteIntent(tx: TransactionContext, kind: string, payload: JsonObject): Promise<string> {
  const id = newId("intent", tx.now);
  await intentTables(tx.sql)
    .insertInto("database.intents")
    .values({
      id,
      kind,
      payload: JSON.stringify(payload),
      call: JSON.stringify(tx.call),
      state: "open",
      created_at: tx.now,
      next_attempt_at: tx.now,
    })
    .execute();
  return id;
}
