import type { Environment, Sql, Transaction } from "@portolan/kernel";

type HoldTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  contract: string | null;
  use_case_id: string | null;
  reason: string;
  placed_by: string;
  placed_at: number;
  released_by: string | null;
  released_at: number | null;
};
export type DataHold = Readonly<HoldTable>;

const tables = (sql: Sql) => sql.withTables<{ "data.holds": HoldTable }>();

export async function insertHold(tx: Transaction, hold: DataHold): Promise<void> {
  await tables(tx.sql).insertInto("data.holds").values(hold).execute();
}

export function findHold(sql: Sql, organisationId: string, id: string): Promise<DataHold | undefined> {
  return tables(sql)
    .selectFrom("data.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Newest first; the released ones too. */
export function listHolds(sql: Sql, organisationId: string): Promise<DataHold[]> {
  return tables(sql)
    .selectFrom("data.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("placed_at", "desc")
    .orderBy("id", "desc")
    .execute();
}

export function activeHolds(sql: Sql, organisationId: string): Promise<DataHold[]> {
  return tables(sql)
    .selectFrom("data.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("released_at", "is", null)
    .orderBy("id")
    .execute();
}

/** Resolves to the hold, or to nothing when it was released before. */
export function releaseHoldRow(tx: Transaction, id: string): Promise<DataHold | undefined> {
  return tables(tx.sql)
    .updateTable("data.holds")
    .set({ released_by: tx.call.actor.id, released_at: tx.now })
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("id", "=", id)
    .where("released_at", "is", null)
    .returningAll()
    .executeTakeFirst();
}
