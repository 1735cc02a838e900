import { join } from "node:path";
import {
  type Authorizer,
  type CallContext,
  type Clock,
  formatInstant,
  type JsonObject,
  type KeyRing,
  PortolanError,
  parseInstant,
  type UnitOfWork,
} from "@portolan/kernel";
import { planConsistency, planInclusion, toHex } from "@portolan/merkle";
import type { ConsistencyProof, LedgerEntry, LedgerPage, LedgerQuery } from "./contract.ts";
import { exportLines, type RowBytes } from "./export-format.ts";
import { signNote } from "./note-signer.ts";
import { proofBundle } from "./proof-bundle.ts";
import {
  type CheckpointPlace,
  checkpointsAfter,
  findRow,
  type RowCursor,
  rowsFrom,
  searchRows,
} from "./read-store.ts";
import { receiptName, receiptText } from "./receipts.ts";
import { parsePayload } from "./row-format.ts";
import { latestCheckpoint, type StoredCheckpoint } from "./sequencer-store.ts";
import { checkpointKeyIds, ledgerKeys } from "./store.ts";
import type { RowTable } from "./tables.ts";
import { TileFolder } from "./tile-folder.ts";

export interface LedgerDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly keys: KeyRing;
  readonly clock: Clock;
  /** Folder of all logs (`<home>/ledger`). */
  readonly folder: string;
  /** Rows beyond which a verification is a job instead of an answer. Default 20,000. */
  readonly maxRowsInRequest?: number;
}

const defaultPage = 50;
const exportPage = 256;

export async function searchLedger(
  deps: LedgerDeps,
  call: CallContext,
  query: LedgerQuery,
): Promise<LedgerPage> {
  await demand(deps, call, "ledger:read");
  const { from, to, limit = defaultPage, page, ...rest } = query;
  const filter = {
    ...rest,
    ...(from === undefined ? {} : { from: parseInstant(from) }),
    ...(to === undefined ? {} : { to: parseInstant(to) }),
  };
  const after = page === undefined ? undefined : readCursor(page);
  const organisationId = call.actor.organisationId;
  const rows = await deps.uow.read(call, (sql) => searchRows(sql, organisationId, filter, after, limit + 1));
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    entries: shown.map(viewRow),
    ...(more ? { nextPage: writeCursor({ at: last.at, id: last.id }) } : {}),
  };
}

/** @throws PortolanError `ledger.row_not_found`. */
export async function readEntry(deps: LedgerDeps, call: CallContext, id: string): Promise<LedgerEntry> {
  await demand(deps, call, "ledger:read");
  return viewRow(await existingRow(deps, call, id));
}

/**
 * The bundle with which an outsider checks one row (`judgeProof` in `/policy`).
 * @throws PortolanError `ledger.row_not_found`, or `ledger.not_sequenced` before the next checkpoint.
 */
export async function proveRow(deps: LedgerDeps, call: CallContext, id: string): Promise<JsonObject> {
  await demand(deps, call, "ledger:read");
  const organisation = call.actor.organisationId;
  const row = await existingRow(deps, call, id);
  const checkpoint = await newestCheckpoint(deps, call);
  if (row.position === null || checkpoint === undefined || checkpoint.size <= row.position) {
    throw new PortolanError("ledger.not_sequenced", {
      detail: `${id} is committed, and no checkpoint covers it yet`,
      mend: "Ask again in a second, or take a receipt.",
    });
  }
  const key = await deps.keys.find(checkpoint.keyId);
  if (key === undefined) {
    throw new PortolanError("kernel.internal", { detail: `ledger key ${checkpoint.keyId} is missing` });
  }
  const folder = logFolder(deps, organisation);
  const proof = await folder.proof(planInclusion(row.position, checkpoint.size), checkpoint.size);
  const bytes = rowBytes(row, row.position);
  return proofBundle({ organisation, row: bytes, proof, checkpoint: checkpoint.note, key });
}

/**
 * A signed promise that a committed row will be in the log, for callers that cannot wait for its checkpoint.
 * @throws PortolanError `ledger.row_not_found`.
 */
export async function receiptFor(deps: LedgerDeps, call: CallContext, id: string): Promise<string> {
  await demand(deps, call, "ledger:read");
  const organisation = call.actor.organisationId;
  const row = await existingRow(deps, call, id);
  const signed = await signNote(deps, receiptName(organisation), row.at, (at) =>
    receiptText(organisation, row.id, toHex(row.leaf_hash), at),
  );
  return signed.note;
}

/** @throws PortolanError `ledger.bad_size` unless 0 ≤ from ≤ to ≤ the newest checkpoint's size. */
export async function proveConsistency(
  deps: LedgerDeps,
  call: CallContext,
  from: number,
  to: number | undefined,
): Promise<ConsistencyProof> {
  await demand(deps, call, "ledger:read");
  const size = (await newestCheckpoint(deps, call))?.size ?? 0;
  const end = to ?? size;
  if (from > end || end > size) {
    throw new PortolanError("ledger.bad_size", {
      detail: `sizes ${from} and ${end} are not in order within the ${size} signed leaves`,
    });
  }
  const proof = await logFolder(deps, call.actor.organisationId).proof(planConsistency(from, end), end);
  return { from, to: end, proof: proof.map(toHex) };
}

/** The newest published checkpoint note. @throws PortolanError `ledger.no_checkpoint`. */
export async function readCheckpoint(deps: LedgerDeps, call: CallContext): Promise<string> {
  await demand(deps, call, "ledger:read");
  const note = await logFolder(deps, call.actor.organisationId).readCheckpoint();
  if (note === undefined) {
    throw new PortolanError("ledger.no_checkpoint", { detail: "nothing has been written to this log yet" });
  }
  return note;
}

/** The whole log up to its newest checkpoint, as lines of JSON without newline. Spec L12. */
export async function* exportLedger(deps: LedgerDeps, call: CallContext): AsyncGenerator<string> {
  await demand(deps, call, "ledger:export");
  const organisation = call.actor.organisationId;
  const keyIds = await deps.uow.read(call, (sql) => checkpointKeyIds(sql, organisation));
  const keys = await ledgerKeys(deps.keys, keyIds);
  yield exportLines.header(organisation, deps.clock.now());
  for (const key of keys) yield exportLines.key(key);
  // Checkpoints that are signed while this is read would cover rows that are not in it.
  const size = (await newestCheckpoint(deps, call))?.size ?? 0;
  for (let after: CheckpointPlace | undefined; ; ) {
    const from = after;
    const page = await deps.uow.read(call, (sql) => checkpointsAfter(sql, organisation, from, exportPage));
    for (const { size: covered, note } of page) if (covered <= size) yield exportLines.checkpoint(note);
    const last = page.at(-1);
    if (last === undefined || last.size > size) break;
    after = { size: last.size, signedAt: last.signed_at };
  }
  const folder = logFolder(deps, organisation);
  let count = 0;
  for (let from = 0; from < size; from += exportPage) {
    const to = Math.min(size, from + exportPage);
    const hashes: Uint8Array[] = [];
    for await (const hash of folder.leafHashes(from, to)) hashes.push(hash);
    const rows = await deps.uow.read(call, (sql) => rowsFrom(sql, organisation, from, to, exportPage));
    const ids = new Map(rows.map((row) => [row.position, row.id]));
    yield exportLines.tile(
      from,
      hashes,
      hashes.map((_, i) => ids.get(from + i) ?? ""),
    );
    for (const row of rows) yield exportLines.row(rowBytes(row, row.position ?? from));
    count += rows.length;
  }
  yield exportLines.end(count);
}

export function logFolder(deps: Pick<LedgerDeps, "folder">, organisationId: string): TileFolder {
  return new TileFolder(join(deps.folder, organisationId));
}

/** Asks the policy set for an action on the caller's own log. */
export function demand(deps: LedgerDeps, call: CallContext, action: string): Promise<void> {
  const { organisationId } = call.actor;
  return deps.authorizer.require(call, action, { type: "Ledger", id: organisationId, organisationId });
}

/** The newest checkpoint whose leaves the tile files surely have: it was signed after them. */
function newestCheckpoint(deps: LedgerDeps, call: CallContext): Promise<StoredCheckpoint | undefined> {
  return deps.uow.read(call, (sql) => latestCheckpoint(sql, call.actor.organisationId));
}

async function existingRow(deps: LedgerDeps, call: CallContext, id: string): Promise<RowTable> {
  const row = await deps.uow.read(call, (sql) => findRow(sql, call.actor.organisationId, id));
  if (row === undefined)
    throw new PortolanError("ledger.row_not_found", { detail: "no such row in this log" });
  return row;
}

export function rowBytes(row: RowTable, index: number): RowBytes {
  return {
    index,
    id: row.id,
    entry: row.entry,
    salt: row.salt ?? undefined,
    payload: row.payload ?? undefined,
  };
}

function viewRow(row: RowTable): LedgerEntry {
  const payload = row.payload === null ? undefined : parsePayload(row.payload);
  const { detail, actor, ...rest } = payload ?? {};
  return {
    id: row.id,
    index: row.position,
    class: row.class,
    at: formatInstant(row.at as Parameters<typeof formatInstant>[0]),
    leafHash: toHex(row.leaf_hash),
    erased: row.payload === null,
    ...rest,
    ...(actor === undefined ? {} : { actor: { ...actor } }),
    ...(detail === undefined ? {} : { detail: { ...detail } }),
  };
}

function writeCursor(cursor: RowCursor): string {
  return Buffer.from(JSON.stringify([cursor.at, cursor.id])).toString("base64url");
}

function readCursor(text: string): RowCursor {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (Array.isArray(value) && Number.isSafeInteger(value[0]) && typeof value[1] === "string") {
      return { at: Number(value[0]), id: value[1] };
    }
  } catch {
    // Falls through: not JSON is as wrong as any other page.
  }
  throw new PortolanError("ledger.bad_query", {
    detail: "the page is none that a search answered with",
    mend: "Pass `nextPage` of the previous answer, unchanged.",
  });
}
