import type { EpochMicros, JsonObject, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { ToldRow } from "../own/statement.ts";

/** Which rows are looked for. */
export interface RowsWanted {
  readonly organisationId: string;
  readonly events: readonly string[];
}

/** Governed rows of those events with `from` ≤ position < `to`, in their order. */
export async function rowsBetween(
  sql: Sql,
  { organisationId, events }: RowsWanted,
  from: number,
  to: number,
): Promise<ToldRow[]> {
  const { rows } = await raw<{
    position: number;
    at: EpochMicros;
    event: string;
    subject: string;
    detail: JsonObject | null;
  }>`select position, at, event, subject, detail from ledger.events_v1
    where organisation_id = ${organisationId} and position >= ${from} and position < ${to}
      and event = any(${events}::text[]) order by position`.execute(sql);
  return rows.map(({ detail, ...row }) => ({ organisationId, ...row, detail: detail ?? {} }));
}

/** How many rows of the organisation have their place in the log. */
export async function ledgerSize(sql: Sql, organisationId: string): Promise<number> {
  const { rows } = await raw<{ size: number }>`
    select size from ledger.sizes_v1 where organisation_id = ${organisationId}`.execute(sql);
  return rows[0]?.size ?? 0;
}

/** Position of the first row that was not read. */
export async function readCursor(sql: Sql, organisationId: string): Promise<number> {
  const { rows } = await raw<{ position: number }>`
    select position from lineage.cursors where organisation_id = ${organisationId}`.execute(sql);
  return rows[0]?.position ?? 0;
}

export async function moveCursor(sql: Sql, organisationId: string, position: number): Promise<void> {
  await raw`insert into lineage.cursors (organisation_id, position) values (${organisationId}, ${position})
    on conflict (organisation_id) do update set position = excluded.position`.execute(sql);
}

export async function noteUntold(sql: Sql, row: ToldRow, reason: string): Promise<void> {
  await raw`insert into lineage.untold (organisation_id, position, event, subject, reason)
    values (${row.organisationId}, ${row.position}, ${row.event}, ${row.subject}, ${reason.slice(0, 500)})
    on conflict (organisation_id, position) do update set reason = excluded.reason`.execute(sql);
}

export async function listUntold(sql: Sql, organisationId: string, limit: number): Promise<number[]> {
  const { rows } = await raw<{ position: number }>`
    select position from lineage.untold where organisation_id = ${organisationId} order by position limit ${limit}`.execute(
    sql,
  );
  return rows.map(({ position }) => position);
}

export async function dropUntold(sql: Sql, { organisationId, position }: ToldRow): Promise<void> {
  await raw`delete from lineage.untold where organisation_id = ${organisationId} and position = ${position}`.execute(
    sql,
  );
}
