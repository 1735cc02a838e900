import { PortolanError, type Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { ThinningRule } from "./checkpoint-thinning.ts";
import { type LedgerSql, tables } from "./store.ts";

export interface WaitingRow {
  readonly id: string;
  readonly entry: Uint8Array;
  readonly leafHash: Uint8Array;
}

export interface Stream {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Makes the caller the one sequencer; every earlier one finds its epoch outdated. */
export async function takeOver(sql: Sql): Promise<number> {
  const row = await tables(sql)
    .updateTable("ledger.sequencer")
    .set((eb) => ({ epoch: eb("epoch", "+", 1) }))
    .returning("epoch")
    .executeTakeFirstOrThrow();
  return row.epoch;
}

/** @throws PortolanError `ledger.fenced`. */
export async function demandEpoch(sql: Sql, epoch: number): Promise<void> {
  const row = await tables(sql).selectFrom("ledger.sequencer").select("epoch").executeTakeFirstOrThrow();
  if (row.epoch !== epoch) throw fenced(epoch, row.epoch);
}

/** Organisations that have rows without a place. */
export async function waitingOrganisations(sql: Sql): Promise<readonly string[]> {
  const rows = await tables(sql)
    .selectFrom("ledger.rows")
    .select("organisation_id")
    .where("position", "is", null)
    .groupBy("organisation_id")
    .execute();
  return rows.map((row) => row.organisation_id);
}

export async function knownOrganisations(sql: Sql): Promise<readonly string[]> {
  const rows = await tables(sql).selectFrom("ledger.streams").select("organisation_id").execute();
  return rows.map((row) => row.organisation_id);
}

/**
 * Committed rows without a place. A row of a transaction that is still open is not visible, and is taken by a
 * later pass: nothing is ordered by time alone, so it cannot be skipped.
 */
export async function waitingRows(sql: Sql, organisationId: string, limit: number): Promise<WaitingRow[]> {
  const rows = await tables(sql)
    .selectFrom("ledger.rows")
    .select(["id", "entry", "leaf_hash"])
    .where("organisation_id", "=", organisationId)
    .where("position", "is", null)
    .orderBy("at")
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ id: row.id, entry: row.entry, leafHash: row.leaf_hash }));
}

export async function waitingRowsById(
  sql: Sql,
  organisationId: string,
  ids: readonly string[],
): Promise<readonly WaitingRow[]> {
  const rows = await tables(sql)
    .selectFrom("ledger.rows")
    .select(["id", "entry", "leaf_hash"])
    .where("organisation_id", "=", organisationId)
    .where("position", "is", null)
    .where(raw<boolean>`id = any(${[...ids]}::text[])`)
    .execute();
  return rows.map((row) => ({ id: row.id, entry: row.entry, leafHash: row.leaf_hash }));
}

export async function readStream(sql: Sql, organisationId: string): Promise<Stream | undefined> {
  return tables(sql)
    .selectFrom("ledger.streams")
    .select(["size", "root"])
    .where("organisation_id", "=", organisationId)
    .executeTakeFirst();
}

export interface Advance {
  readonly organisationId: string;
  readonly epoch: number;
  /** Size before; the first id gets this position. */
  readonly from: number;
  readonly ids: readonly string[];
  readonly root: Uint8Array;
}

/**
 * Gives rows their positions and the stream its new size, in one transaction.
 * @throws PortolanError `ledger.fenced`, or `ledger.forked` when rows or size are not as the files have them.
 */
export async function advanceStream(sql: Sql, advance: Advance): Promise<void> {
  await sql
    .transaction()
    .setIsolationLevel("read committed")
    .execute(async (trx) => {
      const db = tables(trx);
      const lock = db.selectFrom("ledger.sequencer").select("epoch").forUpdate();
      const { epoch } = await lock.executeTakeFirstOrThrow();
      if (epoch !== advance.epoch) throw fenced(advance.epoch, epoch);
      await growStream(db, advance);
      await placeRows(db, advance);
    });
}

async function growStream(db: LedgerSql, advance: Advance): Promise<void> {
  const size = advance.from + advance.ids.length;
  const grown = await db
    .insertInto("ledger.streams")
    .values({
      organisation_id: advance.organisationId,
      size,
      root: advance.root,
      epoch: advance.epoch,
    })
    .onConflict((conflict) =>
      conflict
        .column("organisation_id")
        .doUpdateSet({ size, root: advance.root, epoch: advance.epoch })
        .where("ledger.streams.size", "=", advance.from),
    )
    .executeTakeFirst();
  if (grown.numInsertedOrUpdatedRows !== 1n) {
    throw forked(`the database's log of ${advance.organisationId} is not at size ${advance.from}`);
  }
}

async function placeRows(db: LedgerSql, advance: Advance): Promise<void> {
  const ids = [...advance.ids];
  const positions = ids.map((_, i) => advance.from + i);
  const placed = await raw`
    update ledger.rows as r set position = v.position
    from unnest(${ids}::text[], ${positions}::bigint[]) as v(id, position)
    where r.id = v.id and r.organisation_id = ${advance.organisationId} and r.position is null`.execute(db);
  if (placed.numAffectedRows !== BigInt(ids.length)) {
    throw forked(
      `${ids.length} leaves of ${advance.organisationId} are in the tile files, but the database has only ${placed.numAffectedRows ?? 0n} of their rows`,
    );
  }
}

export interface StoredCheckpoint {
  readonly organisationId: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly signedAt: number;
  readonly keyId: string;
  readonly note: string;
}

export async function insertCheckpoint(sql: Sql, checkpoint: StoredCheckpoint): Promise<void> {
  await tables(sql)
    .insertInto("ledger.checkpoints")
    .values({
      organisation_id: checkpoint.organisationId,
      size: checkpoint.size,
      root: checkpoint.root,
      signed_at: checkpoint.signedAt,
      key_id: checkpoint.keyId,
      note: checkpoint.note,
    })
    .onConflict((conflict) => conflict.columns(["organisation_id", "size", "signed_at"]).doNothing())
    .execute();
}

export async function latestCheckpoint(
  sql: Sql,
  organisationId: string,
): Promise<StoredCheckpoint | undefined> {
  const row = await tables(sql)
    .selectFrom("ledger.checkpoints")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("size", "desc")
    .orderBy("signed_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { size, root, note } = row;
  return { organisationId, size, root, note, signedAt: row.signed_at, keyId: row.key_id };
}

/**
 * Drops all but the last checkpoint of each period and key among those that are old enough. Tiles are not touched, so
 * consistency between any two sizes is still proved. Returns how many went.
 */
export async function thinCheckpoints(
  sql: Sql,
  organisationId: string,
  { before, every }: ThinningRule,
): Promise<number> {
  const dropped = await raw`
    delete from ledger.checkpoints as c using (
      select size, signed_at, row_number() over (
        partition by key_id, signed_at / ${every}::bigint order by size desc, signed_at desc
      ) as place
      from ledger.checkpoints
      where organisation_id = ${organisationId} and signed_at < ${before}::bigint
    ) as old
    where c.organisation_id = ${organisationId}
      and c.size = old.size and c.signed_at = old.signed_at and old.place > 1`.execute(tables(sql));
  return Number(dropped.numAffectedRows ?? 0n);
}

export function forked(detail: string): PortolanError<"ledger.forked"> {
  return new PortolanError("ledger.forked", {
    detail,
    mend: "Do not write to this ledger. Restore database and ledger folder from one and the same backup, or put back the newer of the two.",
  });
}

function fenced(mine: number, current: number): PortolanError<"ledger.fenced"> {
  return new PortolanError("ledger.fenced", {
    detail: `sequencer ${mine} was replaced by sequencer ${current}`,
    mend: "Let one control process run; this one must be started again to take over.",
  });
}
