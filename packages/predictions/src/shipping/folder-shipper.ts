import { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, systemClock } from "@portolan/kernel";
import { frameAt, unsealFrames } from "../format/frame.ts";
import { LogKeys } from "../format/log-keys.ts";
import { type ClosedBlock, closedBlocks, readFrom } from "../format/reader.ts";
import { listSegments, readSegmentStart, type SegmentName, segmentKey } from "../format/segment.ts";
import { isAfter } from "../policy.ts";
import type { Shipper, ShipperOptions, ShipperStatus } from "./shipper.ts";

// One delivery carries at most this much, so that a backlog drains faster than it grows and a body stays bounded.
const deliveryBytes = 8 * 1024 * 1024;
const windowBytes = 64 * 1024 * 1024;
const segmentStartBytes = 8 * 1024;

interface Cursor {
  readonly epoch: number;
  readonly block: number;
}

export interface FolderShipperOptions extends ShipperOptions {
  /** Called when the status has changed. */
  readonly onStatus: (status: ShipperStatus) => void;
}

/**
 * Ships the closed blocks of a folder. Reading, unsealing and syncing up to 8 MB at a time blocks its thread for milliseconds: it runs in
 * one of its own (`shipper-thread.ts`).
 */
export class FolderShipper implements Shipper {
  readonly #options: FolderShipperOptions;
  readonly #stop = new AbortController();
  readonly #keys: LogKeys | undefined;
  #cursor: Cursor | undefined;
  /** Where the next block of a segment begins, so that a poll reads only what is new. */
  #place: { path: string; offset: number } | undefined;
  #problem: string | undefined;
  #failures = 0;
  #round: Promise<boolean> = Promise.resolve(true);
  readonly #loop: Promise<void>;

  constructor(options: FolderShipperOptions) {
    this.#options = options;
    const { keysFolder } = options;
    this.#keys = keysFolder === undefined ? undefined : new LogKeys(keysFolder, systemClock);
    this.#cursor = readCursor(options.folder);
    this.#loop = this.#run();
  }

  status(): ShipperStatus {
    return {
      ...(this.#cursor === undefined ? {} : { delivered: this.#cursor }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  async flush(): Promise<void> {
    while (!this.#stop.signal.aborted && (await this.#shipOnce()));
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await this.#round;
  }

  async #run(): Promise<void> {
    const { pollMs = 200, maxBackoffMs = 10_000 } = this.#options;
    while (!this.#stop.signal.aborted) {
      const more = await this.#shipOnce();
      if (more) continue;
      const backoff = Math.min(pollMs * 2 ** Math.min(this.#failures, 10), maxBackoffMs);
      await sleep(this.#failures === 0 ? pollMs : backoff, undefined, { signal: this.#stop.signal }).catch(
        () => {},
      );
    }
  }

  /** One delivery at a time; true when something was delivered. */
  #shipOnce(): Promise<boolean> {
    this.#round = this.#round.then(() => this.#ship());
    return this.#round;
  }

  async #ship(): Promise<boolean> {
    if (this.#stop.signal.aborted) return false;
    try {
      const next = this.#nextBlocks();
      const last = next?.blocks.at(-1);
      if (!next || !last) {
        this.#dropDelivered();
        this.#succeed();
        return false;
      }
      const sealed = Buffer.concat(next.blocks.map((block) => block.bytes));
      const bytes = unsealFrames(sealed, this.#keyOf(next.path));
      const answer = await this.#options.deliver(bytes, this.#stop.signal);
      if (answer.kind === "refused") throw new Error(answer.reason);
      if (answer.kind === "gap") return this.#rewind(answer.last);
      this.#place = { path: next.path, offset: last.end };
      this.#moveTo({ epoch: last.epoch, block: last.block });
      this.#dropDelivered();
      this.#succeed();
      return true;
    } catch (error) {
      this.#failures += 1;
      this.#problem = messageOf(error);
      this.#options.onStatus(this.status());
      return false;
    }
  }

  #keyOf(path: string): Buffer | undefined {
    if (!this.#keys) return undefined;
    return segmentKey(readSegmentStart(frameAt(readFrom(path, 0, segmentStartBytes), 0)), this.#keys);
  }

  #succeed(): void {
    const hadProblem = this.#problem !== undefined;
    this.#failures = 0;
    this.#problem = undefined;
    if (hadProblem) this.#options.onStatus(this.status());
  }

  /** Control was restored from an older state: what it lacks is sent again, if it still lies here. */
  #rewind(last: Cursor | undefined): boolean {
    const before = this.#cursor;
    if (
      before === undefined ? last === undefined : last?.epoch === before.epoch && last.block === before.block
    ) {
      throw new Error("control lacks blocks that this folder does not hold any more");
    }
    this.#place = undefined;
    this.#moveTo(last);
    return true;
  }

  #nextBlocks(): { path: string; blocks: ClosedBlock[] } | undefined {
    for (const segment of listSegments(this.#options.folder)) {
      if (this.#place && segment.path < this.#place.path) continue;
      const blocks = this.#blocksOf(segment);
      if (blocks.length > 0) return { path: segment.path, blocks };
    }
    return undefined;
  }

  #blocksOf(segment: SegmentName): ClosedBlock[] {
    for (;;) {
      const offset = this.#place?.path === segment.path ? this.#place.offset : 0;
      const found = this.#undelivered(segment.path, offset);
      // A block that control has and a power loss here takes back would fork the writer's history.
      if (found.blocks.length > 0) syncFile(segment.path);
      if (found.blocks.length > 0 || found.skippedTo === offset) return found.blocks;
      this.#place = { path: segment.path, offset: found.skippedTo };
    }
  }

  #undelivered(path: string, offset: number): { blocks: ClosedBlock[]; skippedTo: number } {
    const blocks: ClosedBlock[] = [];
    let size = 0;
    let skippedTo = offset;
    for (const closed of closedBlocks(readFrom(path, offset, windowBytes))) {
      if (this.#cursor && !isAfter(closed, this.#cursor)) {
        skippedTo = closed.end + offset;
        continue;
      }
      if (size > 0 && size + closed.bytes.length > deliveryBytes) break;
      size += closed.bytes.length;
      blocks.push({ ...closed, start: closed.start + offset, end: closed.end + offset });
    }
    return { blocks, skippedTo };
  }

  #moveTo(cursor: Cursor | undefined): void {
    this.#cursor = cursor;
    this.#options.onStatus(this.status());
    const path = join(this.#options.folder, "shipped.json");
    if (cursor === undefined) {
      rmSync(path, { force: true });
      return;
    }
    // Not synced: an older cursor only means that control sees some blocks twice.
    writeFileSync(`${path}.new`, JSON.stringify({ epoch: cursor.epoch, block: cursor.block }), {
      mode: 0o600,
    });
    renameSync(`${path}.new`, path);
  }

  /** A segment goes when a newer one exists and control has every block of it. */
  #dropDelivered(): void {
    const segments = listSegments(this.#options.folder);
    for (const [i, segment] of segments.entries()) {
      const next = segments[i + 1];
      if (!next || !this.#allDelivered(segment, next)) return;
      rmSync(segment.path);
      if (this.#place?.path === segment.path) this.#place = undefined;
    }
  }

  /** Sealed segments hold whole blocks only: what lies after the cursor is not delivered. */
  #allDelivered(segment: SegmentName, next: SegmentName): boolean {
    const cursor = this.#cursor;
    const lastPossible = {
      epoch: segment.epoch,
      block: next.epoch === segment.epoch ? next.firstBlock - 1 : -1,
    };
    if (cursor && lastPossible.block >= 0 && !isAfter(lastPossible, cursor)) return true;
    for (const closed of closedBlocks(readFileSync(segment.path))) {
      if (!cursor || isAfter(closed, cursor)) return false;
    }
    return true;
  }
}

function readCursor(folder: string): Cursor | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, "shipped.json"), "utf8"));
    if (typeof value !== "object" || value === null || !("epoch" in value) || !("block" in value))
      return undefined;
    const { epoch, block } = value;
    return typeof epoch === "number" && typeof block === "number" ? { epoch, block } : undefined;
  } catch {
    return undefined; // missing or torn: everything is sent again, and control knows what it has
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, "r+");
  try {
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
