import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { Selectable } from "kysely";
import type { ActiveHold } from "../archive/hold-policy.ts";
import type { HoldScope } from "./holds.ts";

type HoldTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string | null;
  endpoint: string | null;
  from_at: number | null;
  to_at: number | null;
  reason: string;
  placed_by: string;
  placed_at: number;
  released_by: string | null;
  released_at: number | null;
};
export type HoldRow = Selectable<HoldTable>;
type HoldTables = {
  "predictions.holds": HoldTable;
  "predictions.archive_contents": {
    organisation_id: string;
    expired_at: number | null;
    kept_by_hold: number;
  };
};

const tables = (sql: Sql) => sql.withTables<HoldTables>();

export async function insertHold(
  tx: Transaction,
  id: string,
  scope: HoldScope,
  reason: string,
): Promise<HoldRow> {
  const row: HoldRow = {
    id,
    organisation_id: tx.call.actor.organisationId,
    environment: scope.environment,
    use_case_id: scope.useCaseId ?? null,
    endpoint: scope.endpoint ?? null,
    from_at: scope.from ?? null,
    to_at: scope.to ?? null,
    reason,
    placed_by: tx.call.actor.id,
    placed_at: tx.now,
    released_by: null,
    released_at: null,
  };
  await tables(tx.sql).insertInto("predictions.holds").values(row).execute();
  return row;
}

export function findHold(sql: Sql, organisationId: string, id: string): Promise<HoldRow | undefined> {
  return tables(sql)
    .selectFrom("predictions.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Undefined when it was released before. What a hold kept is looked at again by the next round of retention. */
export async function releaseHoldRow(tx: Transaction, id: string): Promise<HoldRow | undefined> {
  const { id: releasedBy, organisationId } = tx.call.actor;
  const row = await tables(tx.sql)
    .updateTable("predictions.holds")
    .set({ released_by: releasedBy, released_at: tx.now })
    .where("id", "=", id)
    .where("released_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  await tables(tx.sql)
    .updateTable("predictions.archive_contents")
    .set({ expired_at: null })
    .where("organisation_id", "=", organisationId)
    .where("kept_by_hold", ">", 0)
    .execute();
  return row;
}

export function listHolds(sql: Sql, organisationId: string): Promise<HoldRow[]> {
  return tables(sql)
    .selectFrom("predictions.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("id", "desc")
    .execute();
}

export async function activeHolds(sql: Sql, organisationId: string): Promise<ActiveHold[]> {
  const rows = await tables(sql)
    .selectFrom("predictions.holds")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("released_at", "is", null)
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    environment: row.environment,
    useCaseId: row.use_case_id,
    endpoint: row.endpoint,
    from: row.from_at,
    to: row.to_at,
  }));
}
