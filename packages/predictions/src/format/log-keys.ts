import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Clock, writeFileDurablySync } from "@portolan/kernel";
import { corrupt } from "./payload-codec.ts";
import { openSealed, seal, type WrappedKey } from "./sealing.ts";

const keyBytes = 32;
/** A quarter of a year: then new data keys go under a new one; the old one stays for what it opens. */
const maxAgeMicros = 90 * 24 * 3600 * 1_000_000;

/**
 * The key-encryption keys of one log, newest last: files `<name>.key`, mode 0600, in a folder of their own that may lie on
 * another disk than the log. Whoever removes one destroys every payload whose data key lies under it.
 */
export class LogKeys {
  readonly #folder: string;
  readonly #clock: Pick<Clock, "now">;

  constructor(folder: string, clock: Pick<Clock, "now">) {
    this.#folder = folder;
    this.#clock = clock;
  }

  names(): string[] {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    return readdirSync(this.#folder)
      .filter((name) => /^kek_[0-9]{16}_[0-9a-f]{8}\.key$/.test(name))
      .map((name) => name.slice(0, -".key".length))
      .toSorted();
  }

  /** A new data key, and the form in which it may be written down. Makes a key-encryption key when there is none, or none young enough. */
  newDataKey(): { readonly key: Buffer; readonly wrapped: WrappedKey } {
    const key = randomBytes(keyBytes);
    return { key, wrapped: this.wrap(key) };
  }

  /** Under the newest key-encryption key. */
  wrap(dataKey: Buffer): WrappedKey {
    const newest = this.names().at(-1);
    const isYoung = newest !== undefined && this.#clock.now() - madeAt(newest) < maxAgeMicros;
    const kek = isYoung ? newest : this.rotate();
    const bytes = seal(this.#read(kek), dataKey, Buffer.from(kek));
    return { kek, wrapped: bytes.toString("base64") };
  }

  /** `undefined` when its key-encryption key is gone. @throws PortolanError `predictions.corrupt` */
  unwrap({ kek, wrapped }: WrappedKey): Buffer | undefined {
    if (!this.names().includes(kek)) return undefined;
    return openSealed(this.#read(kek), Buffer.from(wrapped, "base64"), Buffer.from(kek));
  }

  /** Makes a new key-encryption key; its name. */
  rotate(): string {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const name = `kek_${String(this.#clock.now()).padStart(16, "0")}_${randomBytes(4).toString("hex")}`;
    writeFileDurablySync(join(this.#folder, `${name}.key`), randomBytes(keyBytes), 0o600);
    return name;
  }

  /** Destroys it, and with it what still needs it. */
  remove(kek: string): void {
    if (this.names().includes(kek)) rmSync(join(this.#folder, `${kek}.key`));
  }

  #read(kek: string): Buffer {
    const key = readFileSync(join(this.#folder, `${kek}.key`));
    if (key.length !== keyBytes) throw corrupt(`the key-encryption key ${kek} is cut off`);
    return key;
  }
}

function madeAt(kek: string): number {
  return Number(kek.slice("kek_".length, "kek_".length + 16));
}
