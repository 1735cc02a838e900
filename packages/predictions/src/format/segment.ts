import { closeSync, fsyncSync, openSync, readdirSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { canonicalBytes, syncFolderSync } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";
import { encodeFrame, type Frame, frameKinds, openFrame } from "./frame.ts";
import type { LogKeys } from "./log-keys.ts";
import { corrupt, parseJson } from "./payload-codec.ts";
import { WrappedKey } from "./sealing.ts";

/** First frame of every segment (P14). */
export const SegmentStart = Type.Object({
  /** 1: each header holds its context; 2: a frame holds the contexts of its records once. Entries say which they are. */
  version: Type.Union([Type.Literal(1), Type.Literal(2)]),
  writer: Type.String({ maxLength: 40 }),
  epoch: Type.Integer({ minimum: 1 }),
  firstBlock: Type.Integer({ minimum: 0 }),
  previousRoot: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  createdAt: Type.Integer({ minimum: 0 }),
  /** The key of this segment's sealed frames (P23). */
  key: Type.Optional(WrappedKey),
});
export type SegmentStart = Static<typeof SegmentStart>;
const Start = Compile(SegmentStart);

export interface SegmentName {
  readonly path: string;
  readonly epoch: number;
  readonly firstBlock: number;
}

/** Segments of a folder, oldest first. */
export function listSegments(folder: string): SegmentName[] {
  const names: SegmentName[] = [];
  for (const name of readdirSync(folder).toSorted()) {
    const match = /^(\d{10})-(\d{10})\.seg$/.exec(name);
    if (match)
      names.push({ path: join(folder, name), epoch: Number(match[1]), firstBlock: Number(match[2]) });
  }
  return names;
}

function segmentPath(folder: string, epoch: number, firstBlock: number): string {
  return join(folder, `${String(epoch).padStart(10, "0")}-${String(firstBlock).padStart(10, "0")}.seg`);
}

/**
 * Makes a segment under a temporary name and renames it once its start is on disk: a segment that exists has a
 * whole start, so the epoch it states is never lost.
 */
export function createSegment(
  folder: string,
  start: SegmentStart,
): { fd: number; path: string; size: number } {
  const path = segmentPath(folder, start.epoch, start.firstBlock);
  const head = { kind: frameKinds.segmentStart, epoch: start.epoch, block: start.firstBlock, count: 0 };
  const frame = encodeFrame(head, canonicalBytes(start));
  const fd = openSync(`${path}.new`, "w", 0o600);
  try {
    if (writeSync(fd, frame, 0, frame.length, 0) !== frame.length) {
      throw Object.assign(new Error("no space for a segment's start"), { code: "ENOSPC" });
    }
    fsyncSync(fd);
    renameSync(`${path}.new`, path);
    syncFolderSync(folder);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, path, size: frame.length };
}

/** @throws PortolanError `predictions.corrupt` */
export function readSegmentStart(frame: Frame | undefined): SegmentStart {
  if (frame?.kind !== frameKinds.segmentStart) throw corrupt("a segment does not begin with its start");
  const value = parseJson(openFrame(frame), "segment's start");
  if (!Start.Check(value)) throw corrupt("a segment's start does not fit its schema");
  return value;
}

/** The key of a segment's sealed frames; `undefined` when it has none, or when it cannot be had. */
export function segmentKey({ key }: SegmentStart, keys: LogKeys | undefined): Buffer | undefined {
  return key && keys?.unwrap(key);
}
