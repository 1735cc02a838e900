import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { isMissingFile, parseId, systemClock, writeFilesDurably } from "@portolan/kernel";
import type { BlockAddress } from "../contract.ts";
import type { PartSpot } from "../control/store.ts";
import { findEntry, type OpenedBlock, openBlock } from "../format/block.ts";
import { LogKeys } from "../format/log-keys.ts";
import { corrupt } from "../format/payload-codec.ts";
import type { StoredEntry } from "../format/record-codec.ts";
import type { SubjectQuery } from "../format/subject-of-payload.ts";
import { entryColumns } from "./archive-columns.ts";
import { type ArchivedValues, ArchiveFile } from "./archive-file.ts";
import type { ArchiveAnswers, Erased, Picked } from "./archive-work.ts";
import { blockEndOf, EntryAssembler } from "./archived-entries.ts";
import { type ActiveHold, heldBy } from "./hold-policy.ts";
import { encodePart, unsealPart } from "./part-codec.ts";
import { runArchiveWork } from "./run-archive-work.ts";

/** Rows that are read whole to find one of them; of more, their indices come first. */
const readAtOnce = 512;

/** An organisation's share of a block, wherever it lies. */
export interface OpenedPart {
  readonly entries: readonly StoredEntry[];
  readonly endBytes: Buffer;
}

/**
 * Control's copies of accepted blocks: at first one file per organisation and block,
 * `<org>/<writer>/<epoch>-<block>-<root>.blk` (the root keeps two tellings of a block apart), later rows of a Parquet file,
 * `<org>/archives/<id>.parquet`.
 */
export class PartFiles {
  readonly #folder: string;
  readonly #keysFolder: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** `keysFolder`: where the key-encryption keys lie; without it nothing is sealed. */
  constructor(folder: string, keysFolder?: string) {
    this.#folder = folder;
    this.#keysFolder = keysFolder;
  }

  /** Writes and syncs the organisation's share; resolves to its path below the folder. */
  async store(block: OpenedBlock, organisationId: string): Promise<string> {
    const { epoch, block: number } = block.end;
    const name = `${epoch}-${number}-${block.root.slice(0, 16)}.blk`;
    const file = join(safeName(organisationId), block.writerId, name);
    await this.#write(file, encodePart(block, organisationId, new Set(), this.#keys));
    return file;
  }

  /**
   * The whole part; one that is not archived is checked wholly.
   * @throws PortolanError `predictions.corrupt` when the file was changed
   */
  async read(spot: PartSpot, organisationId: string): Promise<OpenedPart> {
    if (spot.archive_file === null) return openBlock(await this.#readPart(spot.file), organisationId);
    await using archive = await ArchiveFile.open(this.#path(spot.archive_file), this.#keys);
    const assembler = new EntryAssembler(organisationId);
    const [first, ...others] = await archive.readEntries(
      [...entryColumns, "block_end"],
      spot.first_row ?? 0,
      spot.record_count,
    );
    if (!first) throw corrupt("an archive holds nothing of a block");
    return {
      entries: [first, ...others].map((values) => assembler.entry(values)),
      endBytes: blockEndOf(first),
    };
  }

  /** One record; reads and checks no more than it needs. */
  async find(spot: PartSpot, organisationId: string, index: number): Promise<StoredEntry | undefined> {
    if (spot.archive_file === null) return findEntry(await this.#readPart(spot.file), index);
    await using archive = await ArchiveFile.open(this.#path(spot.archive_file), this.#keys);
    const start = spot.first_row ?? 0;
    const isWanted = (values: ArchivedValues): boolean => Number(values["record_index"]) === index;
    const assembler = new EntryAssembler(organisationId);
    if (spot.record_count <= readAtOnce) {
      const values = (await archive.readEntries(entryColumns, start, spot.record_count)).find(isWanted);
      return values && assembler.entry(values);
    }
    const at = (await archive.read(["record_index"], start, spot.record_count)).findIndex(isWanted);
    if (at < 0) return undefined;
    const [values] = await archive.readEntries(entryColumns, start + at, 1);
    return values && assembler.entry(values);
  }

  /**
   * Destroys salt and payload of these predictions, except of those that a hold covers; leaves stay. `bytes` is the size of an
   * archive that was written anew.
   */
  async erase(
    spot: PartSpot,
    organisationId: string,
    ids: ReadonlySet<string>,
    holds: readonly ActiveHold[],
  ): Promise<Erased & { readonly bytes?: number }> {
    if (spot.archive_file !== null) {
      const which = { kind: "ids", predictionIds: [...ids] } as const;
      return this.eraseInArchive(spot.archive_file, organisationId, which, holds);
    }
    const block = openBlock(await this.#readPart(spot.file), organisationId);
    const picked = block.headers.filter(({ id }, i) => ids.has(id) && block.entries[i]?.saltAndPayload);
    const held = picked.filter((header) => heldBy(header, holds)).map(({ id }) => id);
    const erased = picked.map(({ id }) => id).filter((id) => !held.includes(id));
    const indices = new Set(
      block.entries.filter((_, i) => erased.includes(block.headers[i]?.id ?? "")).map(({ index }) => index),
    );
    if (indices.size > 0)
      await this.#write(spot.file, encodePart(block, organisationId, indices, this.#keys));
    return { erased, held };
  }

  async eraseInArchive(
    source: string,
    organisationId: string,
    which: Picked,
    holds: readonly ActiveHold[],
  ): Promise<Erased & { readonly bytes?: number }> {
    const work = { kind: "erase", ...this.#where, organisationId, source, which, holds } as const;
    const { archive, erased, held } = await runArchiveWork<"erase">(work);
    return { erased, held, ...(archive === undefined ? {} : { bytes: archive.bytes }) };
  }

  /** Predictions of an archive that are about this data subject. */
  async findSubject(
    archiveFile: string,
    organisationId: string,
    query: SubjectQuery,
    environments: readonly string[],
  ): Promise<readonly string[]> {
    const common = { ...this.#where, organisationId, source: archiveFile };
    const work = { kind: "find_subject", ...common, query, environments } as const;
    return (await runArchiveWork<"find_subject">(work)).predictionIds;
  }

  /** Lays parts into a new archive, synced; they stay where they are. */
  async archive(
    id: string,
    organisationId: string,
    sources: readonly string[],
    limits: {
      readonly maxRows: number;
      readonly maxBytes: number;
      /** Use cases whose data is of no persons. */
      readonly openUseCases: readonly string[];
    },
  ): Promise<ArchiveAnswers["compact"]> {
    const target = join(safeName(organisationId), "archives", `${id}.parquet`);
    await mkdir(dirname(this.#path(target)), { recursive: true, mode: 0o700 });
    const common = { ...this.#where, organisationId, sources, target, ...limits };
    return await runArchiveWork<"compact">({ kind: "compact", ...common });
  }

  /** Removes files for good; those that are gone already are none. */
  async remove(files: readonly string[]): Promise<void> {
    for (const file of files) await rm(this.#path(file), { force: true });
  }

  /** Every file of the organisation, by its path below the folder. */
  async list(organisationId: string): Promise<string[]> {
    const top = safeName(organisationId);
    const folders = await readdir(this.#path(top), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissingFile(error)) return [];
      throw error;
    });
    const files: string[] = [];
    for (const folder of folders.filter((entry) => entry.isDirectory()))
      for (const name of await readdir(this.#path(join(top, folder.name))))
        files.push(join(top, folder.name, name));
    return files;
  }

  /** Work that reads payloads to keep a copy, or destroys them: one at a time. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => {}).then(work);
    this.#turn = turn;
    return await turn;
  }

  get #keys(): LogKeys | undefined {
    return this.#keysFolder === undefined ? undefined : new LogKeys(this.#keysFolder, systemClock);
  }

  get #where(): { readonly folder: string; readonly keysFolder?: string } {
    return {
      folder: this.#folder,
      ...(this.#keysFolder === undefined ? {} : { keysFolder: this.#keysFolder }),
    };
  }

  async #readPart(file: string): Promise<Buffer> {
    return unsealPart(await readFile(this.#path(file)), this.#keys);
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

/** The block that a part's file is of. */
export function addressOfPart(file: string): BlockAddress | undefined {
  const match = /\/(wr_[0-9a-z]{26})\/(\d+)-(\d+)-[0-9a-f]{16}\.blk$/.exec(file);
  const writerId = parseId("writer", match?.[1] ?? "");
  return writerId && { writerId, epoch: Number(match?.[2]), block: Number(match?.[3]) };
}

/** Does it once more when a file was gone: the part had moved into an archive since its place was read. */
export async function followingMoves<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isMissingFile(error)) return work();
    throw error;
  }
}

function safeName(organisationId: string): string {
  if (!/^[0-9A-Za-z_-]{1,64}$/.test(organisationId)) throw corrupt("an organisation id is not one");
  return organisationId;
}
