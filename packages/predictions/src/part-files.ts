import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { writeFilesDurably } from "@portolan/kernel";
import { type OpenedBlock, openBlock } from "./block.ts";
import { EntryPacker } from "./entry-packer.ts";
import { encodeFrame, frameKinds } from "./frame.ts";
import { corrupt } from "./payload-codec.ts";
import type { StoredEntry } from "./record-codec.ts";

/**
 * Control's copies of accepted blocks, one file per organisation and block:
 * `<org>/<writer>/<epoch>-<block>-<root>.blk`. The root in the name keeps two tellings of a block apart.
 */
export class PartFiles {
  readonly #folder: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes and syncs the organisation's share; resolves to its path below the folder. */
  async store(block: OpenedBlock, organisationId: string): Promise<string> {
    if (!/^[0-9A-Za-z_-]{1,64}$/.test(organisationId)) throw corrupt("an organisation id is not one");
    const { epoch, block: number } = block.end;
    const name = `${epoch}-${number}-${block.root.slice(0, 16)}.blk`;
    const file = join(organisationId, block.writerId, name);
    await this.#write(file, encodePart(block, organisationId, new Set()));
    return file;
  }

  /** @throws PortolanError `predictions.corrupt` when the file was changed. */
  async read(file: string, organisationId: string): Promise<OpenedBlock> {
    return openBlock(await readFile(this.#path(file)), organisationId);
  }

  /** Destroys salt and payload of the entries that `erase` picks; leaves stay. Returns how many it newly erased. */
  async erase(file: string, organisationId: string, erase: (entry: StoredEntry) => boolean): Promise<number> {
    const block = await this.read(file, organisationId);
    const picked = new Set(
      block.entries.filter((entry) => entry.saltAndPayload && erase(entry)).map(({ index }) => index),
    );
    if (picked.size > 0) await this.#write(file, encodePart(block, organisationId, picked));
    return picked.size;
  }

  /** Work that reads payloads to keep a copy, or destroys them: one at a time. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => {}).then(work);
    this.#turn = turn;
    return await turn;
  }

  #path(file: string): string {
    const path = join(this.#folder, file);
    if (relative(this.#folder, path).startsWith("..")) throw corrupt("a part's file lies outside its folder");
    return path;
  }

  async #write(file: string, bytes: Buffer): Promise<void> {
    const path = this.#path(file);
    await writeFilesDurably([{ path, bytes }], { file: 0o600, folder: 0o700 });
  }
}

function encodePart(block: OpenedBlock, organisationId: string, erased: ReadonlySet<number>): Buffer {
  const { epoch, block: number } = block.end;
  const packer = new EntryPacker();
  for (const entry of block.entries) {
    if (entry.organisationId !== organisationId) continue;
    packer.add(entry, erased.has(entry.index) ? "erased" : undefined);
  }
  const frames = packer
    .drain()
    .map(({ raw, count }) => encodeFrame({ kind: frameKinds.records, epoch, block: number, count }, raw));
  frames.push(encodeFrame({ kind: frameKinds.blockEnd, epoch, block: number, count: 0 }, block.endBytes));
  return Buffer.concat(frames);
}
