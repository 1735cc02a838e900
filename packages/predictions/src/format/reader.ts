import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { systemClock } from "@portolan/kernel";
import type { PredictionId, StoredPrediction } from "../contract.ts";
import { type OpenedBlock, openBlock } from "./block.ts";
import { frameAt, frameKinds, scanFrames, unsealFrames } from "./frame.ts";
import { LogKeys } from "./log-keys.ts";
import { corrupt } from "./payload-codec.ts";
import { parsePredictionId } from "./position.ts";
import { decodeEntry } from "./record-codec.ts";
import { listSegments, readSegmentStart, segmentKey } from "./segment.ts";

/** A closed block's frames, not yet opened. */
export interface ClosedBlock {
  readonly epoch: number;
  readonly block: number;
  /** Where the block lies in what was scanned. */
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** Closed blocks among whole frames; an open block at the end is left out. Contents are not decompressed. */
export function* closedBlocks(bytes: Buffer, from = 0): Generator<ClosedBlock> {
  let start: number | undefined;
  for (const frame of scanFrames(bytes, from)) {
    if (frame.kind === frameKinds.segmentStart) continue;
    start ??= frame.start;
    if (frame.kind !== frameKinds.blockEnd) continue;
    const { epoch, block, end } = frame;
    yield { epoch, block, start, end, bytes: bytes.subarray(start, end) };
    start = undefined;
  }
}

export interface LoggedBlock {
  readonly block: OpenedBlock;
  readonly records: readonly StoredPrediction[];
}

/**
 * Every closed block of a log folder, oldest first, wholly checked: checksums, roots, and that each block names
 * the one before it.
 * @throws PortolanError `predictions.corrupt`
 */
export function* readLog(folder: string, keysFolder?: string): Generator<LoggedBlock> {
  const keys = keysFolder === undefined ? undefined : new LogKeys(keysFolder, systemClock);
  let root: string | undefined;
  for (const { path } of listSegments(folder)) {
    const bytes = readFileSync(path);
    const start = readSegmentStart(frameAt(bytes, 0));
    if (root !== undefined && start.previousRoot !== root)
      throw corrupt("a segment does not follow the one before");
    root = start.previousRoot;
    for (const closed of closedBlocks(bytes)) {
      const block = openBlock(unsealFrames(closed.bytes, segmentKey(start, keys)));
      if (block.end.previousRoot !== root) throw corrupt("a block does not follow the one before");
      root = block.root;
      yield { block, records: block.entries.map(decodeEntry) };
    }
  }
}

/** Finds one prediction in a writer's own folder; opens the one block that its id names. */
export function findPrediction(
  folder: string,
  id: PredictionId,
  keysFolder?: string,
): StoredPrediction | undefined {
  const position = parsePredictionId(id);
  if (!position) return undefined;
  const segment = listSegments(folder).findLast(
    ({ epoch, firstBlock }) => epoch === position.epoch && firstBlock <= position.block,
  );
  if (!segment) return undefined;
  const bytes = readFileSync(segment.path);
  const keys = keysFolder === undefined ? undefined : new LogKeys(keysFolder, systemClock);
  const key = segmentKey(readSegmentStart(frameAt(bytes, 0)), keys);
  for (const closed of closedBlocks(bytes)) {
    if (closed.block !== position.block) continue;
    const entry = openBlock(unsealFrames(closed.bytes, key)).entries.find(
      ({ index }) => index === position.index,
    );
    return entry && decodeEntry(entry);
  }
  return undefined;
}

/** The bytes of a file from an offset on, at most `limit`. */
export function readFrom(path: string, offset: number, limit: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const length = Math.max(0, Math.min(limit, fstatSync(fd).size - offset));
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const read = readSync(fd, bytes, done, length - done, offset + done);
      if (read === 0) break;
      done += read;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
