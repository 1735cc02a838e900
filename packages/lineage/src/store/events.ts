import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

export interface NewEvent {
  readonly organisationId: string;
  readonly audienceId: number;
  readonly digest: string;
  readonly kind: "run" | "job" | "dataset";
  readonly eventAt: number;
  readonly body: unknown;
  readonly now: number;
}

/** Resolves to its number, or to nothing when the audience has the very same event already. */
export async function addEvent(sql: Sql, event: NewEvent): Promise<number | undefined> {
  const { organisationId, audienceId, digest, kind, eventAt, body, now } = event;
  const { rows } = await raw<{ id: number }>`
    insert into lineage.events (organisation_id, audience_id, digest, kind, event_at, body, received_at)
    values (${organisationId}, ${audienceId}, ${digest}, ${kind}, ${eventAt}, ${JSON.stringify(body)}::jsonb, ${now})
    on conflict do nothing returning id`.execute(sql);
  return rows[0]?.id;
}

export interface StoredEvent {
  readonly id: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly receivedAt: number;
}

/** Newest first, before a number. */
export async function listStoredEvents(
  sql: Sql,
  of: { readonly organisationId: string; readonly audiences: readonly number[] },
  page: { readonly before?: number; readonly limit: number },
): Promise<StoredEvent[]> {
  const { rows } = await raw<{ id: number; body: StoredEvent["body"]; received_at: number }>`
    select id, body, received_at from lineage.events
    where organisation_id = ${of.organisationId} and audience_id = any(${of.audiences}::bigint[])
      and id < ${page.before ?? Number.MAX_SAFE_INTEGER}
    order by id desc limit ${page.limit}`.execute(sql);
  return rows.map(({ id, body, received_at: receivedAt }) => ({ id, body, receivedAt }));
}
