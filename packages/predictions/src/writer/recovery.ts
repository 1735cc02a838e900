import {
  appendFileSync,
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Clock, type Id, PortolanError, syncFolderSync } from "@portolan/kernel";
import { BlockTrees, blockRoot, decodeBlockEnd, encodeBlockEnd, genesisRoot } from "../format/block.ts";
import { encodeFrame, type Frame, frameKinds, openFrame, scanFrames } from "../format/frame.ts";
import { LogKeys } from "../format/log-keys.ts";
import { corrupt } from "../format/payload-codec.ts";
import { leafOf, readEntries } from "../format/record-codec.ts";
import { listSegments, readSegmentStart, segmentKey } from "../format/segment.ts";
import { lockFolder } from "./folder-lock.ts";

export interface RecoveredLog {
  /** Epoch of the last start; 0 in a new folder. */
  readonly epoch: number;
  /** Root of the last block of the writer. */
  readonly root: string;
  /** Bytes after the last whole frame, moved to `<segment>.torn`. */
  readonly tornBytes: number;
  /** Block that the dead writer had left open and that was closed now. */
  readonly sealedBlock?: number;
}

/**
 * Closes the open block of a writer that died, so that its last records ship without waiting for its restart.
 * @throws PortolanError `predictions.log_locked` when the writer lives.
 */
export function sealDeadWriter(
  folder: string,
  writerId: Id<"writer">,
  clock: Clock,
  options: Pick<RecoveryOptions, "keysFolder"> = {},
): RecoveredLog {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  try {
    return recoverLog(folder, writerId, clock, options);
  } finally {
    lock.release();
  }
}

export interface RecoveryOptions {
  /**
   * Writes the last segment anew instead of mending it in place. After a failed write or fdatasync the kernel calls pages clean
   * that never reached the disk: what is still in memory is acknowledged, and is on no disk until it is written again.
   */
  readonly rewrite?: boolean;
  /** Where the log's key-encryption keys lie: an open block is closed over the hashes of what is sealed in it. */
  readonly keysFolder?: string;
}

/** P15: cuts the torn tail, closes the open block. The caller holds the folder's lock. Idempotent. */
export function recoverLog(
  folder: string,
  writerId: Id<"writer">,
  clock: Clock,
  { rewrite = false, keysFolder }: RecoveryOptions = {},
): RecoveredLog {
  // The reserve pays for the block end and the next segment's start on a full disk; the writer makes it anew.
  rmSync(join(folder, "reserve"), { force: true });
  for (const name of readdirSync(folder)) if (name.endsWith(".seg.new")) rmSync(join(folder, name));
  const last = listSegments(folder).at(-1);
  if (last === undefined) return { epoch: 0, root: genesisRoot, tornBytes: 0 };
  const bytes = readFileSync(last.path);
  const frames = [...scanFrames(bytes)];
  const start = readSegmentStart(frames[0]);
  if (start.writer !== writerId) {
    throw new PortolanError("predictions.log_locked", {
      detail: `${folder} belongs to the writer ${start.writer}, not ${writerId}`,
      mend: "Give each writer a folder of its own.",
    });
  }
  const whole = frames.at(-1)?.end ?? 0;
  if (whole < bytes.length) keepTorn(last.path, bytes.subarray(whole));
  const target = rewrite ? `${last.path}.new` : last.path;
  const fd = openSync(target, rewrite ? "w" : "r+", 0o600);
  try {
    if (rewrite) writeWhole(fd, bytes.subarray(0, whole), 0);
    else if (whole < bytes.length) ftruncateSync(fd, whole);
    const keys = keysFolder === undefined ? undefined : new LogKeys(keysFolder, clock);
    const open = replay(frames.slice(1), start.previousRoot, segmentKey(start, keys));
    const sealed = open.block === undefined ? undefined : seal(fd, whole, open, start, clock);
    fsyncSync(fd);
    if (rewrite) renameSync(target, last.path);
    return {
      epoch: start.epoch,
      root: sealed ?? open.root,
      tornBytes: bytes.length - whole,
      ...(open.block === undefined ? {} : { sealedBlock: open.block }),
    };
  } finally {
    closeSync(fd);
    syncFolderSync(folder);
  }
}

/** What is cut is kept aside: after bit rot it may hold records that a person can still save. */
function keepTorn(path: string, tail: Buffer): void {
  appendFileSync(`${path}.torn`, tail, { mode: 0o600, flush: true });
}

function writeWhole(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}

interface OpenBlock {
  readonly root: string;
  readonly block?: number;
  readonly trees: BlockTrees;
}

function replay(frames: readonly Frame[], previousRoot: string, key: Buffer | undefined): OpenBlock {
  // Only what follows the last block end is opened: closed blocks are hashed in their ends.
  const closed = frames.findLastIndex(({ kind }) => kind === frameKinds.blockEnd);
  let root = previousRoot;
  let block: number | undefined;
  let trees = new BlockTrees();
  for (const [i, frame] of frames.entries()) {
    if (frame.kind === frameKinds.blockEnd) {
      const endBytes = openFrame(frame);
      if (decodeBlockEnd(endBytes).previousRoot !== root) throw corrupt("a segment's blocks are not chained");
      root = blockRoot(endBytes);
      block = undefined;
      trees = new BlockTrees();
    } else if (frame.kind === frameKinds.records) {
      if (i <= closed) continue;
      block = frame.block;
      for (const entry of readEntries(openFrame(frame, key))) trees.add(entry.organisationId, leafOf(entry));
    } else {
      throw corrupt(`a frame of kind ${frame.kind} lies inside a segment`);
    }
  }
  return { root, trees, ...(block === undefined ? {} : { block }) };
}

function seal(
  fd: number,
  at: number,
  open: OpenBlock,
  start: { readonly writer: string; readonly epoch: number },
  clock: Clock,
): string {
  const block = open.block ?? 0;
  const endBytes = encodeBlockEnd({
    version: 1,
    writer: start.writer,
    epoch: start.epoch,
    block,
    previousRoot: open.root,
    closedAt: clock.now(),
    sealed: true,
    count: open.trees.count,
    organisations: open.trees.roots(),
  });
  const frame = encodeFrame({ kind: frameKinds.blockEnd, epoch: start.epoch, block, count: 0 }, endBytes);
  writeWhole(fd, frame, at);
  return blockRoot(endBytes);
}
