import { mkdirSync, readdirSync } from "node:fs";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriftDelivery, DriftPart } from "@portolan/monitoring/contract";

/** How control took a delivery. `away`: it did not say, so the same is sent again. */
export type DeliveryVerdict = "taken" | "refused" | "away";
export type DeliverDrift = (body: Uint8Array, signal: AbortSignal) => Promise<DeliveryVerdict>;

/** `refused`: by control; `full`: pushed out by newer ones; `disk`: not written, or not there any more. */
export type DropReason = "refused" | "full" | "disk";

export interface DriftSpoolOptions {
  readonly folder: string;
  readonly writer: string;
  /** Start of this process: with the writer and a sequence it names each delivery once and for all. */
  readonly epoch: number;
  readonly deliver: DeliverDrift;
  /** Deliveries given up. */
  readonly onDropped: (reason: DropReason, deliveries: number) => void;
  /** The disk did not take a delivery. */
  readonly onUnwritten: (error: unknown) => void;
}

/** Weeks of one endpoint's counts; beyond it the oldest goes. */
const mostBytes = 64 * 2 ** 20;
const mostParts = 500;
const name = /^\d{10}-\d{10}\.json$/;

/**
 * Deliveries on disk until control has acknowledged them, in order. Written under a name of their own and then renamed: a `kill -9`
 * leaves each whole or not at all. They are not fsynced: a power loss may take the last half minute of counts.
 */
export class DriftSpool {
  readonly #options: DriftSpoolOptions;
  #sequence = 0;
  #names: string[];
  #bytes = new Map<string, number>();
  #shipping: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: DriftSpoolOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#names = readdirSync(options.folder)
      .filter((file) => name.test(file))
      .sort();
  }

  /** Deliveries that control has not acknowledged. */
  get waiting(): number {
    return this.#names.length;
  }

  /**
   * Puts parts on disk. Never rejects.
   *
   * @returns those that the disk did not take
   */
  async keep(parts: readonly DriftPart[]): Promise<DriftPart[]> {
    const unwritten: DriftPart[] = [];
    for (let from = 0; from < parts.length; from += mostParts) {
      const some = parts.slice(from, from + mostParts);
      if (!(await this.#write(some))) unwritten.push(...some);
    }
    await this.#makeRoom();
    return unwritten;
  }

  async #write(parts: DriftPart[]): Promise<boolean> {
    const { folder, writer, epoch, onUnwritten } = this.#options;
    const sequence = ++this.#sequence;
    const delivery: DriftDelivery = { writer, epoch, sequence, parts };
    const file = `${digits(epoch)}-${digits(sequence)}.json`;
    const bytes = Buffer.from(JSON.stringify(delivery));
    const unnamed = join(folder, `${file}.new`);
    try {
      await writeFile(unnamed, bytes, { mode: 0o600 });
      await rename(unnamed, join(folder, file));
    } catch (error) {
      onUnwritten(error);
      // A full disk is not to be filled by halves of files.
      await rm(unnamed, { force: true }).catch(() => undefined);
      return false;
    }
    this.#names.push(file);
    this.#bytes.set(file, bytes.length);
    return true;
  }

  /** Delivers what waits, until all is taken or control is away. Several callers share one round. */
  ship(): Promise<void> {
    this.#shipping ??= this.#round().finally(() => (this.#shipping = undefined));
    return this.#shipping;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#shipping?.catch(() => undefined);
  }

  async #round(): Promise<void> {
    const { folder, deliver, onDropped } = this.#options;
    for (let file = this.#names[0]; file !== undefined; file = this.#names[0]) {
      const body = await readFile(join(folder, file)).catch(() => undefined);
      const verdict = body ? await deliver(body, this.#stop.signal) : "lost";
      if (verdict === "away") return;
      if (verdict !== "taken") onDropped(verdict === "lost" ? "disk" : "refused", 1);
      await this.#remove(file);
    }
  }

  async #remove(file: string): Promise<void> {
    this.#names = this.#names.filter((known) => known !== file);
    this.#bytes.delete(file);
    // One that stays is sent again after the next start: control knows its number.
    await rm(join(this.#options.folder, file), { force: true }).catch(() => undefined);
  }

  async #makeRoom(): Promise<void> {
    let total = 0;
    for (const file of this.#names) total += await this.#sizeOf(file);
    // The first may be on its way: it is left alone.
    for (let at = this.#names[1]; total > mostBytes && at !== undefined; at = this.#names[1]) {
      total -= await this.#sizeOf(at);
      await this.#remove(at);
      this.#options.onDropped("full", 1);
    }
  }

  async #sizeOf(file: string): Promise<number> {
    const known = this.#bytes.get(file);
    if (known !== undefined) return known;
    const size = await stat(join(this.#options.folder, file)).then(
      (found) => found.size,
      () => 0,
    );
    this.#bytes.set(file, size);
    return size;
  }
}

function digits(value: number): string {
  return String(value).padStart(10, "0");
}
