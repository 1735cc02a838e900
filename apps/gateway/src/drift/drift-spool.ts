import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CountedPart } from "./counted-part.ts";
import { cutDeliveries, deliveryText, halves } from "./cut-deliveries.ts";

/**
 * How control took a delivery. `away`: it did not say, so the same is sent again; `forbidden`: this environment's counts are, perhaps
 * only for now; `too_large`: it comes in halves.
 */
export type DeliveryVerdict = "taken" | "refused" | "forbidden" | "too_large" | "away";
export type DeliverDrift = (body: Uint8Array, signal: AbortSignal) => Promise<DeliveryVerdict>;

/**
 * `refused`: by control; `forbidden`: for so long that nobody seems to mean otherwise; `too_large`: with a single part; `full`: pushed
 * out by newer ones; `disk`: not written, or not there any more.
 */
export type DropReason = "refused" | "forbidden" | "too_large" | "full" | "disk";

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
const name = /^\d{10}-\d{10}-([a-z]+)\.json$/;
/** Rounds in which control forbids an environment before its counts are given up: an hour at the usual pace. */
const mostForbidden = 120;
/** Of a file that is not whole yet, or never will be. */
const unnamed = ".new";

/**
 * Deliveries on disk until control has acknowledged them, in order. Written under a name of their own and then renamed: a `kill -9`
 * leaves each whole or not at all. They are not fsynced: a power loss may take the last half minute of counts.
 */
export class DriftSpool {
  readonly #options: DriftSpoolOptions;
  #sequence = 0;
  #names: string[];
  #bytes = new Map<string, number>();
  #written: Promise<unknown> = Promise.resolve();
  #underWay: string | undefined;
  #shipping: Promise<void> | undefined;
  readonly #stop = new AbortController();
  /** Rounds in a row in which control forbade an environment. */
  readonly #forbidden = new Map<string, number>();
  /** Control did not answer when it was asked last. */
  isAway = false;

  constructor(options: DriftSpoolOptions) {
    this.#options = options;
    const { folder } = options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const files = readdirSync(folder);
    for (const file of files) if (file.endsWith(unnamed)) rmSync(join(folder, file), { force: true });
    this.#names = files.filter((file) => name.test(file)).sort();
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
  async keep(parts: readonly CountedPart[]): Promise<CountedPart[]> {
    const left: CountedPart[] = [];
    for (const { environment, parts: some, texts } of cutDeliveries(parts)) {
      const isWritten = await this.#writing(async () => {
        const [file, text] = this.#next(environment, texts);
        await this.#write(file, text);
        await this.#show(file);
      });
      if (!isWritten) left.push(...some);
    }
    await this.#makeRoom();
    return left;
  }

  /** Delivers what waits, until all is taken, forbidden, or control is away. Several callers share one round. */
  ship(): Promise<void> {
    this.#shipping ??= this.#round().finally(() => (this.#shipping = undefined));
    return this.#shipping;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#shipping?.catch(() => undefined);
  }

  async #round(): Promise<void> {
    const putOff = new Set<string>();
    const next = () => this.#names.find((file) => !putOff.has(environmentOf(file)));
    for (let file = next(); file !== undefined; file = next()) {
      this.#underWay = file;
      const then = await this.#send(file).finally(() => (this.#underWay = undefined));
      this.isAway = then === "stop";
      if (then === "stop") return;
      // Control numbers per environment: the others go on, and in this one none overtakes another.
      if (then === "put off") putOff.add(environmentOf(file));
    }
  }

  async #send(file: string): Promise<"go on" | "put off" | "stop"> {
    const { folder, deliver } = this.#options;
    const body = await readFile(join(folder, file)).catch(() => undefined);
    if (!body) return this.#drop(file, "disk");
    const verdict = await deliver(body, this.#stop.signal);
    if (verdict === "away") return "stop";
    if (verdict === "forbidden") return this.#forbid(file);
    this.#forbidden.delete(environmentOf(file));
    if (verdict === "too_large") return this.#split(file, body);
    if (verdict === "refused") return this.#drop(file, "refused");
    await this.#remove(file);
    return "go on";
  }

  /** Somebody may yet allow it: it waits for the next rounds, and not for ever. */
  async #forbid(file: string): Promise<"go on" | "put off"> {
    const environment = environmentOf(file);
    const rounds = (this.#forbidden.get(environment) ?? 0) + 1;
    if (rounds > mostForbidden) return this.#drop(file, "forbidden");
    this.#forbidden.set(environment, rounds);
    return "put off";
  }

  /** Control did not take it under its number: half of it is sent under that number, half under the next one. */
  async #split(file: string, body: Uint8Array): Promise<"go on" | "stop"> {
    const both = halves(body);
    if (!both) return this.#drop(file, "too_large");
    const [first, rest] = both;
    const isWritten = await this.#writing(async () => {
      const [second, text] = this.#next(
        environmentOf(file),
        rest.map((part) => JSON.stringify(part)),
      );
      await this.#write(second, text);
      await this.#write(file, JSON.stringify(first));
      // A kill between these two loses the second half; the other way about it would be counted twice.
      await this.#show(file);
      await this.#show(second);
    });
    return isWritten ? "go on" : "stop";
  }

  /** The file of the next delivery, and what it holds. */
  #next(environment: string, texts: readonly string[]): [file: string, text: string] {
    const { writer, epoch } = this.#options;
    const sequence = ++this.#sequence;
    const file = `${digits(epoch)}-${digits(sequence)}-${environment}.json`;
    return [file, deliveryText({ writer, epoch, sequence }, texts)];
  }

  async #write(file: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    const path = join(this.#options.folder, file + unnamed);
    try {
      await writeFile(path, bytes, { mode: 0o600 });
    } catch (error) {
      // A full disk is not to be filled by halves of files.
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
    this.#bytes.set(file, bytes.length);
  }

  async #show(file: string): Promise<void> {
    const path = join(this.#options.folder, file);
    await rename(path + unnamed, path);
    if (!this.#names.includes(file)) this.#names.push(file);
  }

  /** One after the other: what has the lower number is there first. */
  #writing(work: () => Promise<void>): Promise<boolean> {
    const done = this.#written.then(work).then(
      () => true,
      (error: unknown) => {
        this.#options.onUnwritten(error);
        return false;
      },
    );
    this.#written = done;
    return done;
  }

  async #drop(file: string, reason: DropReason): Promise<"go on"> {
    this.#options.onDropped(reason, 1);
    await this.#remove(file);
    return "go on";
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
    for (const file of this.#names) {
      if (total <= mostBytes) return;
      if (file === this.#underWay || !this.#names.includes(file)) continue;
      total -= this.#bytes.get(file) ?? 0;
      await this.#drop(file, "full");
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

function environmentOf(file: string): string {
  return name.exec(file)?.[1] ?? "";
}

function digits(value: number): string {
  return String(value).padStart(10, "0");
}
