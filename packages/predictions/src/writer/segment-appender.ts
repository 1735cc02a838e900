import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "@portolan/kernel";
import { BlockTrees, blockRoot, encodeBlockEnd } from "../format/block.ts";
import { EntryPacker } from "../format/entry-packer.ts";
import { encodeFrame, frameKinds } from "../format/frame.ts";
import { FrameSealer } from "../format/frame-sealer.ts";
import { segmentTargetBytes } from "../format/limits.ts";
import { LogKeys } from "../format/log-keys.ts";
import { readEntries } from "../format/record-codec.ts";
import { createSegment } from "../format/segment.ts";
import { EntryHasher } from "./entry-hasher.ts";
import { codeOf } from "./folder-lock.ts";

const fdatasyncAsync = promisify(fdatasync);

export interface AppenderOptions {
  readonly folder: string;
  readonly writerId: string;
  readonly epoch: number;
  readonly previousRoot: string;
  readonly startedAt: number;
  /** Kept free for headers when the disk is full. */
  readonly reserveBytes: number;
  /** Where the key-encryption keys lie; `undefined`: nothing is sealed. */
  readonly keysFolder?: string;
  /** Largest size of the folder; `undefined`: the disk. */
  readonly budgetBytes?: number;
}

interface OpenSegment {
  readonly fd: number;
  readonly path: string;
  size: number;
  readonly sealer?: FrameSealer;
}

/** A frame of records to be written. */
export interface FrameOrder {
  readonly block: number;
  readonly count: number;
  readonly durable: boolean;
  /** Whether some of them hold personal values: then the frame is sealed, where there are keys. */
  readonly isPersonal: boolean;
}

export type WriteVerdict =
  | { readonly kind: "written" }
  /** Headers and commitments are written, payloads are gone. */
  | { readonly kind: "payload_dropped" }
  | { readonly kind: "full" };

/** The log thread's side of a segment file: frames in, blocks closed, space kept. Not for the main thread: it blocks. */
export class SegmentAppender {
  readonly #options: AppenderOptions;
  readonly #keys: LogKeys | undefined;
  #segment: OpenSegment;
  #root: string;
  readonly #hasher = new EntryHasher();
  #trees = new BlockTrees();
  /** Ends that found no space; nothing may follow before they are written. */
  #owedEnd: { block: number; closedAt: number } | undefined;
  #retired: number[] = [];
  #syncing = 0;
  #degraded = false;
  #folderBytes: number;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#root = options.previousRoot;
    const { keysFolder } = options;
    // The wall clock, for the age of keys alone; the log's own instants come from the main thread.
    this.#keys = keysFolder === undefined ? undefined : new LogKeys(keysFolder, systemClock);
    this.#segment = this.#create(0, options.startedAt);
    this.#folderBytes = folderBytes(options.folder);
    if (!this.#restoreReserve()) this.#degraded = true;
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  /** Writes one frame. Durable records are refused on a full disk; buffered ones lose their payload first. */
  writeRecords(raw: Buffer, { block, count, durable, isPersonal }: FrameOrder): WriteVerdict {
    if (!this.#payOwedEnd()) return { kind: "full" };
    const head = { kind: frameKinds.records, epoch: this.#options.epoch, block, count };
    const sealer = isPersonal ? this.#segment.sealer : undefined;
    if (!this.#degraded && this.#append(encodeFrame(head, raw, sealer))) return { kind: "written" };
    if (durable) return { kind: "full" };
    this.#releaseReserve();
    // One frame, whatever its size: it is smaller than what it came from.
    const packer = new EntryPacker(Number.POSITIVE_INFINITY);
    for (const entry of readEntries(raw)) packer.add(entry, "no_space");
    const [bare] = packer.drain();
    return bare && this.#append(encodeFrame(head, bare.raw)) ? { kind: "payload_dropped" } : { kind: "full" };
  }

  /** Hashes what `writeRecords` wrote; apart from it, so that the acknowledgement does not wait for hashes. */
  hashRecords(raw: Buffer): void {
    this.#hasher.addAll(raw, this.#trees);
  }

  /** Closes the block; one without records leaves no trace. Returns false while its end finds no space. */
  closeBlock(block: number, closedAt: number): boolean {
    this.#owedEnd = { block, closedAt };
    if (!this.#payOwedEnd()) return false;
    this.#folderBytes = folderBytes(this.#options.folder);
    if (this.#degraded && this.#restoreReserve()) this.#degraded = false;
    if (this.#segment.size >= segmentTargetBytes && !this.#degraded) this.#rotate(block + 1, closedAt);
    return true;
  }

  /** fdatasync of all that was written before the call. */
  async sync(): Promise<void> {
    this.#syncing += 1;
    try {
      await fdatasyncAsync(this.#segment.fd);
    } finally {
      this.#syncing -= 1;
      if (this.#syncing === 0) for (const fd of this.#retired.splice(0)) closeSync(fd);
    }
  }

  close(): void {
    fdatasyncSync(this.#segment.fd);
    closeSync(this.#segment.fd);
  }

  #payOwedEnd(): boolean {
    const owed = this.#owedEnd;
    if (owed === undefined) return true;
    if (this.#trees.count === 0) {
      this.#owedEnd = undefined;
      return true;
    }
    const { epoch, writerId } = this.#options;
    const endBytes = encodeBlockEnd({
      version: 1,
      writer: writerId,
      epoch,
      block: owed.block,
      previousRoot: this.#root,
      closedAt: owed.closedAt,
      sealed: false,
      count: this.#trees.count,
      organisations: this.#trees.roots(),
    });
    const frame = encodeFrame({ kind: frameKinds.blockEnd, epoch, block: owed.block, count: 0 }, endBytes);
    if (!this.#append(frame)) {
      this.#releaseReserve();
      if (!this.#append(frame)) return false;
    }
    this.#root = blockRoot(endBytes);
    this.#trees = new BlockTrees();
    this.#owedEnd = undefined;
    return true;
  }

  #rotate(firstBlock: number, now: number): void {
    let next: OpenSegment;
    try {
      next = this.#create(firstBlock, now);
    } catch (error) {
      if (isFull(error)) return; // the old segment grows on; tried again at the next block
      throw error;
    }
    fdatasyncSync(this.#segment.fd);
    this.#retired.push(this.#segment.fd);
    if (this.#syncing === 0) for (const fd of this.#retired.splice(0)) closeSync(fd);
    this.#segment = next;
  }

  #create(firstBlock: number, createdAt: number): OpenSegment {
    const { folder, writerId, epoch } = this.#options;
    const data = this.#keys?.newDataKey();
    const segment = createSegment(folder, {
      version: 2,
      writer: writerId,
      epoch,
      firstBlock,
      previousRoot: this.#root,
      createdAt,
      ...(data === undefined ? {} : { key: data.wrapped }),
    });
    return data === undefined ? segment : { ...segment, sealer: new FrameSealer(data.key) };
  }

  /** False when there is no space; the file then ends where it did before. */
  #append(frame: Buffer): boolean {
    const { fd, size } = this.#segment;
    const budget = this.#options.budgetBytes;
    if (budget !== undefined && this.#folderBytes + frame.length > budget) return false;
    let done = 0;
    try {
      while (done < frame.length) done += writeSync(fd, frame, done, frame.length - done, size + done);
    } catch (error) {
      // A torn frame in the middle would hide every later one from recovery.
      ftruncateSync(fd, size);
      if (isFull(error)) return false;
      throw error;
    }
    this.#segment.size += frame.length;
    this.#folderBytes += frame.length;
    return true;
  }

  get #reservePath(): string {
    return join(this.#options.folder, "reserve");
  }

  #releaseReserve(): void {
    this.#degraded = true;
    if (!existsSync(this.#reservePath)) return;
    rmSync(this.#reservePath, { force: true });
    this.#folderBytes = folderBytes(this.#options.folder);
  }

  /** Real zeros, not a hole: a hole would reserve nothing. */
  #restoreReserve(): boolean {
    const { reserveBytes, budgetBytes, folder } = this.#options;
    if (existsSync(this.#reservePath) && statSync(this.#reservePath).size === reserveBytes) return true;
    if (budgetBytes !== undefined && this.#folderBytes + 2 * reserveBytes > budgetBytes) return false;
    const fd = openSync(this.#reservePath, "w", 0o600);
    try {
      const zeros = Buffer.alloc(256 * 1024);
      for (let at = 0; at < reserveBytes; ) {
        at += writeSync(fd, zeros, 0, Math.min(zeros.length, reserveBytes - at), at);
      }
      fsyncSync(fd);
    } catch (error) {
      if (!isFull(error)) throw error;
      rmSync(this.#reservePath, { force: true });
      return false;
    } finally {
      closeSync(fd);
    }
    this.#folderBytes = folderBytes(folder);
    return true;
  }
}

function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error) ?? "");
}

function folderBytes(folder: string): number {
  let total = 0;
  for (const name of readdirSync(folder))
    total += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  return total;
}
