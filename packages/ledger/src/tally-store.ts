import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { tables } from "./store.ts";
import type { DenialTallyTable } from "./tables.ts";

export interface Tally {
  readonly organisationId: string;
  readonly source: string;
  readonly reason: string;
  /** Minutes since the epoch. */
  readonly minute: number;
  readonly denials: number;
  /** Epoch microseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export async function addToTallies(sql: Sql, tallies: readonly Tally[]): Promise<void> {
  if (tallies.length === 0) return;
  await tables(sql)
    .insertInto("ledger.denial_tallies")
    .values(
      tallies.map((tally) => ({
        organisation_id: tally.organisationId,
        source: tally.source,
        reason: tally.reason,
        minute: tally.minute,
        denials: tally.denials,
        first_at: tally.firstAt,
        last_at: tally.lastAt,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "minute", "source", "reason"]).doUpdateSet({
        denials: raw`ledger.denial_tallies.denials + excluded.denials`,
        last_at: raw`greatest(ledger.denial_tallies.last_at, excluded.last_at)`,
      }),
    )
    .execute();
}

/** Tallies of minutes before the current one. */
export async function closedTallies(sql: Sql, currentMinute: number): Promise<readonly Tally[]> {
  const rows = await tables(sql)
    .selectFrom("ledger.denial_tallies")
    .selectAll()
    .where("minute", "<", currentMinute)
    .orderBy("minute")
    .limit(1000)
    .execute();
  return rows.map(asTally);
}

/** Removes a tally and returns its last counts; `undefined` when it is gone. */
export async function deleteTally(sql: Sql, tally: Tally): Promise<Tally | undefined> {
  const row = await tables(sql)
    .deleteFrom("ledger.denial_tallies")
    .where("organisation_id", "=", tally.organisationId)
    .where("minute", "=", tally.minute)
    .where("source", "=", tally.source)
    .where("reason", "=", tally.reason)
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : asTally(row);
}

function asTally(row: DenialTallyTable): Tally {
  return {
    organisationId: row.organisation_id,
    source: row.source,
    reason: row.reason,
    minute: row.minute,
    denials: row.denials,
    firstAt: row.first_at,
    lastAt: row.last_at,
  };
}
