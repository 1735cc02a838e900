import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileDurablySync } from "@portolan/kernel";
import { type ArchiveRow, type Held, heldBy, rowColumns } from "./archive-columns.ts";
import { ArchiveFile, encodeArchive } from "./archive-file.ts";
import { EntryAssembler } from "./archived-entries.ts";
import { type OpenedBlock, openBlock } from "./block.ts";
import { corrupt } from "./payload-codec.ts";
import { decodeEntry, storedEntry, tailOf } from "./record-codec.ts";
import { hashBytes } from "./record-leaf.ts";

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

export type ArchiveWork =
  /** Lays parts into one archive, in the order given, until it is full; at least one. */
  | {
      readonly kind: "compact";
      readonly folder: string;
      readonly organisationId: string;
      readonly sources: readonly string[];
      readonly target: string;
      readonly maxRows: number;
      readonly maxBytes: number;
    }
  /** Writes an archive anew, under its name, without the payloads of these predictions; not when none of them has one. */
  | {
      readonly kind: "erase";
      readonly folder: string;
      readonly organisationId: string;
      readonly source: string;
      readonly predictionIds: readonly string[];
    }
  /** Which predictions of an archive name this data subject. */
  | {
      readonly kind: "find_subject";
      readonly folder: string;
      readonly organisationId: string;
      readonly source: string;
      readonly subject: string;
      readonly environments: readonly string[];
    };

type Work<K extends ArchiveWork["kind"]> = Extract<ArchiveWork, { readonly kind: K }>;

export interface ArchiveAnswers {
  readonly compact: { readonly archive: WrittenArchive; readonly parts: readonly ArchivedPart[] };
  readonly erase: { readonly archive?: WrittenArchive; readonly erased: number };
  readonly find_subject: { readonly predictionIds: readonly string[] };
}

export function compact(work: Work<"compact">): ArchiveAnswers["compact"] {
  const rows: ArchiveRow[] = [];
  const parts: ArchivedPart[] = [];
  let bytes = 0;
  for (const file of work.sources) {
    const block = openBlock(readFileSync(join(work.folder, file)), work.organisationId);
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
  return { archive: writeArchive(work, rows), parts };
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
  const wanted = new Set(work.predictionIds);
  let erased = 0;
  const rows = (await readRows(work)).map((row) => {
    if (!wanted.has(row.header.id) || !row.entry.saltAndPayload) return row;
    erased += 1;
    const { index, organisationId, context, header } = row.entry;
    const parts = { index, organisationId, header, ...(context ? { context } : {}) };
    return { ...row, entry: storedEntry(parts, "erased", hashBytes(row.entry.commitment)) };
  });
  return erased === 0
    ? { erased }
    : { archive: writeArchive({ folder: work.folder, target: work.source }, rows), erased };
}

export async function findSubject(work: Work<"find_subject">): Promise<ArchiveAnswers["find_subject"]> {
  const environments = new Set(work.environments);
  const predictionIds: string[] = [];
  for (const { entry, header } of await readRows(work)) {
    if (!environments.has(header.context.environment)) continue;
    if (decodeEntry(entry).payload?.subject === work.subject) predictionIds.push(header.id);
  }
  return { predictionIds };
}

async function readRows(work: Work<"erase" | "find_subject">): Promise<ArchiveRow[]> {
  await using archive = await ArchiveFile.open(join(work.folder, work.source));
  const assembler = new EntryAssembler(work.organisationId);
  return (await archive.read(rowColumns, 0, archive.rows)).map((values) => assembler.row(values));
}

function writeArchive(work: { folder: string; target: string }, rows: readonly ArchiveRow[]): WrittenArchive {
  const bytes = encodeArchive(rows);
  // A row that does not read back must not replace the file that it came from.
  if (rows.some(({ entry }) => tailOf(entry, undefined).length === 0))
    throw corrupt("a record has neither payload nor commitment");
  writeFileDurablySync(join(work.folder, work.target), bytes, 0o600);
  return {
    file: work.target,
    rows: rows.length,
    bytes: bytes.length,
    held: heldBy(rows),
  };
}
