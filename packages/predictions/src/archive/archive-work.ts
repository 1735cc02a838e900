import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, writeFileDurablySync } from "@portolan/kernel";
import type { PredictionHeader } from "../contract.ts";
import { type OpenedBlock, openBlock } from "../format/block.ts";
import { LogKeys } from "../format/log-keys.ts";
import { corrupt } from "../format/payload-codec.ts";
import { decodeEntry, storedEntry, tailOf } from "../format/record-codec.ts";
import { hashBytes } from "../format/record-leaf.ts";
import { isAbout, type SubjectQuery } from "../format/subject-of-payload.ts";
import { type ArchiveRow, contentsOfRows, type Held, rowColumns } from "./archive-columns.ts";
import { ArchiveFile, encodeArchive } from "./archive-file.ts";
import type { ArchiveKey } from "./archive-sealing.ts";
import { EntryAssembler } from "./archived-entries.ts";
import { type ActiveHold, heldBy } from "./hold-policy.ts";
import { unsealPart } from "./part-codec.ts";

/** Where a part came to lie. */
export interface ArchivedPart {
  readonly file: string;
  readonly writerId: string;
  readonly epoch: number;
  readonly block: number;
  readonly firstRow: number;
  readonly count: number;
}

/** An archive that was written and synced under its name; nobody knows of it yet. */
export interface WrittenArchive {
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly held: readonly Held[];
}

/** Which records are erased. */
export type Picked =
  | { readonly kind: "ids"; readonly predictionIds: readonly string[] }
  | { readonly kind: "use_case"; readonly useCaseId: string; readonly environment: string };

/** What became of the records that were picked. */
export interface Erased {
  /** Ids whose payload went now. */
  readonly erased: readonly string[];
  /** Ids that a hold kept. */
  readonly held: readonly string[];
}

export type ArchiveWork = ArchiveTask & {
  /** Where the key-encryption keys lie; absent: nothing is sealed. */
  readonly keysFolder?: string;
};

type ArchiveTask =
  /** Lays parts into one archive, in the order given, until it is full; at least one. */
  | {
      readonly kind: "compact";
      readonly folder: string;
      readonly organisationId: string;
      readonly sources: readonly string[];
      readonly target: string;
      readonly maxRows: number;
      readonly maxBytes: number;
      /** Use cases whose data is of no persons; an archive of these alone is not sealed. */
      readonly openUseCases: readonly string[];
    }
  /** Writes an archive anew, under its name, without the payloads of what is picked and not held; not when none of it has one. */
  | {
      readonly kind: "erase";
      readonly folder: string;
      readonly organisationId: string;
      readonly source: string;
      readonly which: Picked;
      readonly holds: readonly ActiveHold[];
    }
  /** Which predictions of an archive are about this data subject. */
  | {
      readonly kind: "find_subject";
      readonly folder: string;
      readonly organisationId: string;
      readonly source: string;
      readonly query: SubjectQuery;
      readonly environments: readonly string[];
    };

type Work<K extends ArchiveWork["kind"]> = Extract<ArchiveWork, { readonly kind: K }>;

export interface ArchiveAnswers {
  readonly compact: { readonly archive: WrittenArchive; readonly parts: readonly ArchivedPart[] };
  readonly erase: Erased & { readonly archive?: WrittenArchive };
  readonly find_subject: { readonly predictionIds: readonly string[] };
}

export function compact(work: Work<"compact">): ArchiveAnswers["compact"] {
  const keys = keysOf(work);
  const rows: ArchiveRow[] = [];
  const parts: ArchivedPart[] = [];
  let bytes = 0;
  for (const file of work.sources) {
    const block = openBlock(unsealPart(readFileSync(join(work.folder, file)), keys), work.organisationId);
    const size = block.entries.reduce(
      (sum, { header, saltAndPayload }) => sum + header.length + (saltAndPayload?.length ?? 0),
      0,
    );
    const isFull = rows.length + block.entries.length > work.maxRows || bytes + size > work.maxBytes;
    if (parts.length > 0 && isFull) break;
    const { writerId, end, entries } = block;
    parts.push({
      file,
      writerId,
      epoch: end.epoch,
      block: end.block,
      firstRow: rows.length,
      count: entries.length,
    });
    rows.push(...rowsOf(block));
    bytes += size;
  }
  const isOpen = rows.every(({ header }) => work.openUseCases.includes(header.context.useCaseId));
  return { archive: writeArchive(work, rows, isOpen ? undefined : keys?.newDataKey()), parts };
}

function keysOf({ keysFolder }: ArchiveWork): LogKeys | undefined {
  return keysFolder === undefined ? undefined : new LogKeys(keysFolder, systemClock);
}

function rowsOf({ writerId, end, endBytes, entries, headers }: OpenedBlock): ArchiveRow[] {
  return entries.map((entry, i) => {
    const header = headers[i];
    if (!header) throw corrupt("a block has an entry without header");
    const row = { writerId, epoch: end.epoch, block: end.block, entry, header };
    return i === 0 ? { ...row, blockEnd: endBytes } : row;
  });
}

export async function erase(work: Work<"erase">): Promise<ArchiveAnswers["erase"]> {
  const isPicked = pickerOf(work.which);
  const erased: string[] = [];
  const held: string[] = [];
  const { rows: before, key } = await readRows(work);
  const rows = before.map((row) => {
    if (!row.entry.saltAndPayload || !isPicked(row.header)) return row;
    if (heldBy(row.header, work.holds)) {
      held.push(row.header.id);
      return row;
    }
    erased.push(row.header.id);
    const { index, organisationId, context, header } = row.entry;
    const parts = { index, organisationId, header, ...(context ? { context } : {}) };
    return { ...row, entry: storedEntry(parts, "erased", hashBytes(row.entry.commitment)) };
  });
  if (erased.length === 0) return { erased, held };
  return { archive: writeArchive({ folder: work.folder, target: work.source }, rows, key), erased, held };
}

/** Pure. */
export function pickerOf(which: Picked): (header: PredictionHeader) => boolean {
  if (which.kind === "ids") {
    const ids = new Set(which.predictionIds);
    return ({ id }) => ids.has(id);
  }
  return ({ context }) => context.useCaseId === which.useCaseId && context.environment === which.environment;
}

export async function findSubject(work: Work<"find_subject">): Promise<ArchiveAnswers["find_subject"]> {
  const environments = new Set(work.environments);
  const predictionIds: string[] = [];
  for (const { entry, header } of (await readRows(work)).rows) {
    if (!environments.has(header.context.environment)) continue;
    if (isAbout(decodeEntry(entry).payload, work.query)) predictionIds.push(header.id);
  }
  return { predictionIds };
}

async function readRows(
  work: Work<"erase" | "find_subject">,
): Promise<{ readonly rows: ArchiveRow[]; readonly key: ArchiveKey | undefined }> {
  await using archive = await ArchiveFile.open(join(work.folder, work.source), keysOf(work));
  // Payloads whose key is gone are erased already, and nothing is to be written.
  const assembler = new EntryAssembler(work.organisationId);
  const values = await archive.readEntries(rowColumns, 0, archive.rows);
  return { rows: values.map((row) => assembler.row(row)), key: archive.key };
}

function writeArchive(
  work: { readonly folder: string; readonly target: string },
  rows: readonly ArchiveRow[],
  key: ArchiveKey | undefined,
): WrittenArchive {
  const bytes = encodeArchive(rows, key);
  // A row that does not read back must not replace the file that it came from.
  if (rows.some(({ entry }) => tailOf(entry, undefined).length === 0))
    throw corrupt("a record has neither payload nor commitment");
  writeFileDurablySync(join(work.folder, work.target), bytes, 0o600);
  return {
    file: work.target,
    rows: rows.length,
    bytes: bytes.length,
    held: contentsOfRows(rows),
  };
}
