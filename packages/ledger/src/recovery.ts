import { join } from "node:path";
import type { KeyRing, Sql } from "@portolan/kernel";
import { CompactTree, emptyRoot, leafHash, sameHash } from "@portolan/merkle";
import { judgeCheckpoint, type TimedCheckpoint } from "./checkpoints.ts";
import { parseEntry } from "./row-format.ts";
import {
  advanceStream,
  forked,
  knownOrganisations,
  latestCheckpoint,
  readStream,
  waitingRowsById,
} from "./sequencer-store.ts";
import { checkpointKeyIds, ledgerKeys } from "./store.ts";
import { damaged, listLogs, rootOf, TileFolder, type TileState } from "./tile-folder.ts";

export interface RecoveryDeps {
  readonly sql: Sql;
  readonly keys: KeyRing;
  /** Folder of all logs, one sub-folder per organisation. */
  readonly folder: string;
}

/** What start-up found of one log. */
export interface RecoveredLog {
  readonly organisationId: string;
  readonly size: number;
  /** Leaves that were in the files but not yet in the database. */
  readonly replayed: number;
  /** True when the newest checkpoint does not cover all leaves, or was not published. */
  readonly unsigned: boolean;
}

/** Rows given their positions per transaction during replay. */
const replayChunk = 4096;

/**
 * Brings database and files of every log together before anything is sequenced or signed. Spec L9, L10.
 * @throws PortolanError `ledger.forked` or `ledger.tiles_damaged`.
 */
export async function recoverLogs(deps: RecoveryDeps, epoch: number): Promise<readonly RecoveredLog[]> {
  const organisations = new Set([...(await knownOrganisations(deps.sql)), ...(await listLogs(deps.folder))]);
  const logs: RecoveredLog[] = [];
  for (const organisationId of [...organisations].toSorted()) {
    logs.push(await recoverLog(deps, organisationId, epoch));
  }
  return logs;
}

/** Brings one log's database and files together; also after a pass that failed half way. */
export async function recoverLog(
  deps: RecoveryDeps,
  organisationId: string,
  epoch: number,
): Promise<RecoveredLog> {
  const folder = new TileFolder(join(deps.folder, organisationId));
  const state = await folder.readState();
  const stream = (await readStream(deps.sql, organisationId)) ?? { size: 0, root: emptyRoot() };
  const size = state?.tree.size ?? 0;
  if (stream.size > size) {
    throw forked(
      `the database has ${stream.size} leaves of ${organisationId}, the tile files ${size}: files were lost or are older`,
    );
  }
  await checkFiles(folder, state);
  await demandSameRoot(folder, organisationId, stream);
  const unsigned = await checkCheckpoints(deps, folder, organisationId, size);
  if (state === undefined) return { organisationId, size: 0, replayed: 0, unsigned: false };
  for (let from = stream.size; from < size; from += replayChunk) {
    await replay(deps, folder, organisationId, from, Math.min(size, from + replayChunk), epoch);
  }
  await folder.writeState({ epoch, tree: state.tree });
  return { organisationId, size, replayed: size - stream.size, unsigned };
}

/** The right edge of the files must give the root that the state names; older tiles are `verify`'s business. */
async function checkFiles(folder: TileFolder, state: TileState | undefined): Promise<void> {
  if (state === undefined || state.tree.size === 0) return;
  const size = state.tree.size;
  const tree = await folder.treeAt(size);
  if (!sameHash(tree.root(), rootOf(state)))
    throw damaged(`the tiles of ${folder.path} do not give the stated root`);
  const start = Math.floor((size - 1) / 256) * 256;
  const hashes = folder.leafHashes(start, size);
  for await (const entry of folder.entries(start, size)) {
    const hash = await hashes.next();
    if (hash.done === true || !sameHash(leafHash(entry), hash.value)) {
      throw damaged(`the last entry bundle of ${folder.path} does not match its tile`);
    }
  }
}

async function demandSameRoot(
  folder: TileFolder,
  organisationId: string,
  stream: { readonly size: number; readonly root: Uint8Array },
): Promise<void> {
  const tree = stream.size === 0 ? new CompactTree() : await folder.treeAt(stream.size);
  if (!sameHash(tree.root(), stream.root)) {
    throw forked(
      `database and tile files of ${organisationId} differ within the first ${stream.size} leaves`,
    );
  }
}

/** Every published checkpoint at hand must be of this history. Returns whether a new one is due. */
async function checkCheckpoints(
  deps: RecoveryDeps,
  folder: TileFolder,
  organisationId: string,
  size: number,
): Promise<boolean> {
  const stored = await latestCheckpoint(deps.sql, organisationId);
  const published = await folder.readCheckpoint();
  const keys = await ledgerKeys(deps.keys, await checkpointKeyIds(deps.sql, organisationId));
  let newest = -1;
  for (const [place, note] of [
    ["database", stored?.note],
    ["ledger folder", published],
  ] as const) {
    if (note === undefined) continue;
    const verdict = judgeCheckpoint(note, organisationId, keys);
    if (verdict.kind === "bad") {
      throw forked(`the checkpoint of ${organisationId} in the ${place} does not count: ${verdict.reason}`);
    }
    await demandCovered(folder, verdict.checkpoint, size, place);
    // One of a key that was revoked since is ours and binds us, but readers need a new one.
    if (verdict.kind === "good") newest = Math.max(newest, verdict.checkpoint.size);
  }
  const isPublished = published !== undefined && published === stored?.note;
  return size > 0 && (newest < size || !isPublished);
}

async function demandCovered(
  folder: TileFolder,
  checkpoint: TimedCheckpoint,
  size: number,
  place: string,
): Promise<void> {
  if (checkpoint.size > size) {
    throw forked(
      `a checkpoint over ${checkpoint.size} leaves was signed (${place}), but the tile files have ${size}`,
    );
  }
  const tree = checkpoint.size === 0 ? new CompactTree() : await folder.treeAt(checkpoint.size);
  if (!sameHash(tree.root(), checkpoint.root)) {
    throw forked(
      `the tile files do not give the root that was signed at size ${checkpoint.size} (${place}): ${checkpoint.origin}`,
    );
  }
}

async function replay(
  deps: RecoveryDeps,
  folder: TileFolder,
  organisationId: string,
  from: number,
  to: number,
  epoch: number,
): Promise<void> {
  const ids: string[] = [];
  const hashes = new Map<string, Uint8Array>();
  for await (const entry of folder.entries(from, to)) {
    const header = parseEntry(entry);
    if (header === undefined)
      throw damaged(`an entry of ${organisationId} after leaf ${from + ids.length} is unreadable`);
    ids.push(header.id);
    hashes.set(header.id, leafHash(entry));
  }
  const rows = await waitingRowsById(deps.sql, organisationId, ids);
  for (const row of rows) {
    const hash = hashes.get(row.id);
    if (hash === undefined || !sameHash(hash, row.leafHash)) {
      throw forked(`row ${row.id} in the database is not the one that the tile files have`);
    }
  }
  const root = (await folder.treeAt(to)).root();
  await advanceStream(deps.sql, { organisationId, epoch, from, ids, root });
}
