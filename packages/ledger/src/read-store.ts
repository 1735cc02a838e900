import type { Sql } from "@portolan/kernel";
import { tables } from "./store.ts";
import type { CheckpointTable, RowTable } from "./tables.ts";

/** Conditions are all met together; absent ones do not restrict. Times are epoch microseconds, `to` excluded. */
export interface RowFilter {
  readonly event?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly requestId?: string;
  readonly class?: RowTable["class"];
  readonly from?: number;
  readonly to?: number;
}

/** Where the next page goes on: after this row, newest first. */
export interface RowCursor {
  readonly at: number;
  readonly id: string;
}

export async function searchRows(
  sql: Sql,
  organisationId: string,
  filter: RowFilter,
  after: RowCursor | undefined,
  limit: number,
): Promise<RowTable[]> {
  let query = tables(sql).selectFrom("ledger.rows").selectAll().where("organisation_id", "=", organisationId);
  if (filter.event !== undefined) query = query.where("event", "=", filter.event);
  if (filter.actor !== undefined) query = query.where("actor_id", "=", filter.actor);
  if (filter.subject !== undefined) query = query.where("subject", "=", filter.subject);
  if (filter.requestId !== undefined) query = query.where("request_id", "=", filter.requestId);
  if (filter.class !== undefined) query = query.where("class", "=", filter.class);
  if (filter.from !== undefined) query = query.where("at", ">=", filter.from);
  if (filter.to !== undefined) query = query.where("at", "<", filter.to);
  if (after !== undefined) {
    query = query.where((eb) => eb(eb.refTuple("at", "id"), "<", eb.tuple(after.at, after.id)));
  }
  return query.orderBy("at", "desc").orderBy("id", "desc").limit(limit).execute();
}

export async function findRow(sql: Sql, organisationId: string, id: string): Promise<RowTable | undefined> {
  return tables(sql)
    .selectFrom("ledger.rows")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** At most `limit` sequenced rows with `from` ≤ position < `to`, in order. */
export async function rowsFrom(
  sql: Sql,
  organisationId: string,
  from: number,
  to: number,
  limit: number,
): Promise<RowTable[]> {
  return tables(sql)
    .selectFrom("ledger.rows")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("position", ">=", from)
    .where("position", "<", to)
    .orderBy("position")
    .limit(limit)
    .execute();
}

/** One past the highest position that any row has; 0 without sequenced rows. */
export async function positionsEnd(sql: Sql, organisationId: string): Promise<number> {
  const row = await tables(sql)
    .selectFrom("ledger.rows")
    .select("position")
    .where("organisation_id", "=", organisationId)
    .where("position", "is not", null)
    .orderBy("position", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.position === undefined || row.position === null ? 0 : row.position + 1;
}

/** Where a page of checkpoints ends. */
export interface CheckpointPlace {
  readonly size: number;
  readonly signedAt: number;
}

/** Checkpoints by size and time, after a place. */
export async function checkpointsAfter(
  sql: Sql,
  organisationId: string,
  after: CheckpointPlace | undefined,
  limit: number,
): Promise<CheckpointTable[]> {
  let query = tables(sql)
    .selectFrom("ledger.checkpoints")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  if (after !== undefined) {
    query = query.where((eb) =>
      eb(eb.refTuple("size", "signed_at"), ">", eb.tuple(after.size, after.signedAt)),
    );
  }
  return query.orderBy("size").orderBy("signed_at").limit(limit).execute();
}
