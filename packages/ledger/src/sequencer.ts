import { join } from "node:path";
import {
  type Clock,
  isPortolanError,
  type KeyRing,
  type Logger,
  messageOf,
  PortolanError,
  type Sql,
} from "@portolan/kernel";
import { emptyRoot, sameHash } from "@portolan/merkle";
import { thinningIntervalMicros, thinningRules } from "./checkpoint-thinning.ts";
import { checkpointText, originOf } from "./checkpoints.ts";
import { flushTallies } from "./denial-tally.ts";
import { signNote } from "./note-signer.ts";
import { PassLoop } from "./pass-loop.ts";
import type { SequencerLock, SequencerObserver } from "./ports.ts";
import { type RecoveredLog, recoverLog, recoverLogs } from "./recovery.ts";
import {
  advanceStream,
  demandEpoch,
  insertCheckpoint,
  knownOrganisations,
  latestCheckpoint,
  readStream,
  takeOver,
  thinCheckpoints,
  waitingOrganisations,
  waitingRows,
} from "./sequencer-store.ts";
import { rootOf, TileFolder, type TileState } from "./tile-folder.ts";
import { extendTiles, prunePartials } from "./tile-writer.ts";

export interface SequencerDeps {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly keys: KeyRing;
  /** Folder of all logs (`<home>/ledger`). */
  readonly folder: string;
  /** Absent where another lock already keeps a second process out (PGlite's folder lock). */
  readonly lock?: SequencerLock;
  readonly log?: Logger;
  readonly observe?: SequencerObserver;
  /** How often to look without being woken; also when a tally's minute is over. Default 500 ms. */
  readonly pollMs?: number;
  /** Pause between passes, so that a burst of commits shares fsyncs and a signature. Default 100 ms. */
  readonly lingerMs?: number;
  /** Called once when the sequencer stops for good (`ledger.forked`, `ledger.fenced`, `ledger.tiles_damaged`). */
  readonly onFailure?: (error: PortolanError) => void;
}

export interface Sequencer {
  /** Says that rows may have been committed. Cheap; call it after every commit. */
  wake(): void;
  /** Resolves when every row committed before the call is under a signed checkpoint. */
  settled(): Promise<void>;
  /**
   * Resolves when no pass is under way, and lets none begin until the result is called: meanwhile the tile files do
   * not move, and are never ahead of the database. Rows go on being committed and wait. `stop` waits for the result.
   */
  pause(): Promise<() => void>;
  /** What start-up found. */
  readonly recovered: readonly RecoveredLog[];
  /** Finishes the pass under way. */
  stop(): Promise<void>;
}

/** Rows per pass and organisation: bounds memory (some 3 MB) and the age of a checkpoint under load. */
const batchRows = 8192;
const fatalCodes = ["ledger.forked", "ledger.fenced", "ledger.tiles_damaged"];

/**
 * Starts the one sequencer: takes over, recovers, then turns committed rows into leaves until stopped.
 * @throws PortolanError `ledger.fenced` when another process holds the lock, `ledger.forked`, `ledger.tiles_damaged`.
 */
export async function startSequencer(deps: SequencerDeps): Promise<Sequencer> {
  const hold = deps.lock === undefined ? undefined : await deps.lock.acquire();
  if (deps.lock !== undefined && hold === undefined) {
    throw new PortolanError("ledger.fenced", {
      detail: "another process holds the sequencer's lock",
      mend: "Stop the other control process first.",
    });
  }
  try {
    const epoch = await takeOver(deps.sql);
    const recovered = await recoverLogs(deps, epoch);
    const unsigned = new Set(recovered.flatMap((log) => (log.unsigned ? [log.organisationId] : [])));
    const run: Run = { epoch, unsigned, thinAt: 0 };
    await signWaiting(deps, run);
    const loop = new PassLoop({
      pass: () => sequenceAll(deps, run),
      isFatal: (error) => isFatal(deps, error),
      pollMs: deps.pollMs ?? 500,
      lingerMs: deps.lingerMs ?? 100,
    });
    return {
      recovered,
      wake: () => loop.wake(),
      settled: () => loop.settled(),
      pause: () => loop.pause(),
      stop: async () => {
        await loop.stop();
        await hold?.release();
      },
    };
  } catch (error) {
    await hold?.release();
    throw error;
  }
}

function isFatal(deps: SequencerDeps, error: unknown): boolean {
  if (!isPortolanError(error) || !fatalCodes.includes(error.code)) {
    deps.log?.warn({ error: messageOf(error) }, "ledger.sequencer.pass_failed");
    return false;
  }
  deps.log?.fatal({ code: error.code, detail: error.detail }, "ledger.sequencer.stopped");
  deps.onFailure?.(error);
  return true;
}

/** What one sequencer remembers between passes. */
interface Run {
  readonly epoch: number;
  /** Logs with leaves that no published checkpoint covers: signing failed, or is under way. */
  readonly unsigned: Set<string>;
  /** When old checkpoints are next looked through. */
  thinAt: number;
}

async function sequenceAll(deps: SequencerDeps, run: Run): Promise<void> {
  await flushTallies(deps);
  for (const organisationId of await waitingOrganisations(deps.sql)) {
    while ((await sequenceBatch(deps, organisationId, run)) === batchRows);
  }
  await signWaiting(deps, run);
  await thinWhenDue(deps, run);
}

async function thinWhenDue(deps: SequencerDeps, run: Run): Promise<void> {
  const now = deps.clock.now();
  if (now < run.thinAt) return;
  await demandEpoch(deps.sql, run.epoch);
  for (const organisationId of await knownOrganisations(deps.sql)) {
    for (const rule of thinningRules(now)) {
      const dropped = await thinCheckpoints(deps.sql, organisationId, rule);
      if (dropped > 0) deps.log?.info({ organisationId, dropped }, "ledger.checkpoints.thinned");
    }
  }
  run.thinAt = now + thinningIntervalMicros;
}

async function signWaiting(deps: SequencerDeps, run: Run): Promise<void> {
  for (const organisationId of run.unsigned) await signCheckpoint(deps, organisationId, run);
}

/** One pass over one log. Spec L8 states the order of its steps, and L9 what a crash after each leaves behind. */
async function sequenceBatch(deps: SequencerDeps, organisationId: string, run: Run): Promise<number> {
  const observe = (step: Parameters<SequencerObserver>[0]): void => deps.observe?.(step, organisationId);
  const folder = new TileFolder(join(deps.folder, organisationId));
  const before = await currentState(deps, folder, organisationId, run);
  const rows = await waitingRows(deps.sql, organisationId, batchRows);
  if (rows.length === 0) return 0;
  observe("rows_read");
  await demandEpoch(deps.sql, run.epoch);
  const after = await extendTiles(folder, before, rows, run.epoch, observe);
  const from = before?.tree.size ?? 0;
  const ids = rows.map((row) => row.id);
  await advanceStream(deps.sql, { organisationId, epoch: run.epoch, from, ids, root: rootOf(after) });
  run.unsigned.add(organisationId);
  observe("sql_committed");
  await signCheckpoint(deps, organisationId, run);
  await prunePartials(folder, from, after.tree.size);
  return rows.length;
}

/** Files and database agree between passes, unless one failed between the two: then as at start-up. */
async function currentState(
  deps: SequencerDeps,
  folder: TileFolder,
  organisationId: string,
  run: Run,
): Promise<TileState | undefined> {
  const state = await folder.readState();
  const stream = (await readStream(deps.sql, organisationId)) ?? { size: 0, root: emptyRoot() };
  if (stream.size === (state?.tree.size ?? 0) && sameHash(stream.root, rootOf(state))) return state;
  await demandEpoch(deps.sql, run.epoch);
  const log = await recoverLog(deps, organisationId, run.epoch);
  if (log.unsigned) run.unsigned.add(organisationId);
  return folder.readState();
}

async function signCheckpoint(deps: SequencerDeps, organisationId: string, run: Run): Promise<void> {
  const folder = new TileFolder(join(deps.folder, organisationId));
  const state = await folder.readState();
  if (state === undefined) return;
  await demandEpoch(deps.sql, run.epoch);
  const last = await latestCheckpoint(deps.sql, organisationId);
  const { size } = state.tree;
  const root = rootOf(state);
  const signed = await signNote(deps, originOf(organisationId), last?.signedAt ?? 0, (at) =>
    checkpointText(organisationId, size, root, at),
  );
  deps.observe?.("checkpoint_signed", organisationId);
  const { note, keyId } = signed;
  await insertCheckpoint(deps.sql, { organisationId, size, root, note, keyId, signedAt: signed.at });
  deps.observe?.("checkpoint_stored", organisationId);
  await folder.publishCheckpoint(note);
  run.unsigned.delete(organisationId);
  deps.observe?.("checkpoint_published", organisationId);
}
