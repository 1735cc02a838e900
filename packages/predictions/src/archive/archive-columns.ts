import type { ColumnSource } from "hyparquet-writer";
import type { PredictionHeader } from "../contract.ts";
import { type StoredEntry, tailOf } from "../format/record-codec.ts";
import { hashBytes } from "../format/record-leaf.ts";
import { type ArchiveKey, rowGroupSize, sealTails } from "./archive-sealing.ts";

/** One record on its way into an archive. */
export interface ArchiveRow {
  readonly writerId: string;
  readonly epoch: number;
  readonly block: number;
  readonly entry: StoredEntry;
  readonly header: PredictionHeader;
  /** The block's end, with the first of its records. */
  readonly blockEnd?: Buffer;
}

interface Column {
  readonly name: string;
  readonly type: NonNullable<ColumnSource["type"]>;
  readonly of: (row: ArchiveRow) => string | number | bigint | Uint8Array | undefined;
}

const text = (name: string, of: (header: PredictionHeader) => string | undefined): Column => ({
  name,
  type: "STRING",
  of: ({ header }) => of(header),
});
const micros = (name: string, of: (header: PredictionHeader) => number | undefined): Column => ({
  name,
  type: "INT64",
  of: ({ header }) => {
    const value = of(header);
    return value === undefined ? undefined : BigInt(value);
  },
});

/** How many refusals, or reads of features, a record stands for. */
function standsFor(status: PredictionHeader["status"]): number | undefined {
  if (status.kind === "read") return status.requests;
  return status.kind === "refused" ? status.count : undefined;
}

/**
 * Columns of an archive (docs/spec/prediction-log.md, P20). `context`, `header`, `tail` and `block_end` are the bytes that proofs are
 * made of; the others repeat what analysis asks for, so that a query does not parse JSON.
 */
const columns: readonly Column[] = [
  { name: "writer_id", type: "STRING", of: ({ writerId }) => writerId },
  { name: "epoch", type: "INT64", of: ({ epoch }) => BigInt(epoch) },
  { name: "block", type: "INT64", of: ({ block }) => BigInt(block) },
  { name: "record_index", type: "INT64", of: ({ entry }) => BigInt(entry.index) },
  micros("received_at", ({ receivedAt }) => receivedAt),
  micros("event_time", ({ eventTime }) => eventTime),
  text("replay_of", ({ replayOf }) => replayOf),
  text("use_case", ({ context }) => context.useCaseId),
  text("endpoint", ({ context }) => context.endpoint),
  text("environment", ({ context }) => context.environment),
  text("model_name", ({ context }) => context.model?.name),
  text("model_version", ({ context }) => context.model?.version),
  text("variant", ({ context }) => context.variant),
  text("principal", ({ principal }) => principal),
  text("purpose", ({ purpose }) => purpose),
  text("status", ({ status }) => status.kind),
  micros("http_status", ({ status }) => ("httpStatus" in status ? status.httpStatus : undefined)),
  text("reason", ({ status }) => ("reason" in status ? status.reason : undefined)),
  micros("stands_for", ({ status }) => standsFor(status)),
  text("fallback_reason", ({ fallbackReason }) => fallbackReason),
  micros("run_micros", ({ latency }) => latency.runMicros),
  micros("total_micros", ({ latency }) => latency.totalMicros),
  { name: "withheld", type: "STRING", of: ({ entry }) => entry.withheld },
  { name: "context", type: "BYTE_ARRAY", of: ({ entry }) => entry.context?.json },
  { name: "header", type: "BYTE_ARRAY", of: ({ entry }) => entry.header },
  { name: "block_end", type: "BYTE_ARRAY", of: ({ blockEnd }) => blockEnd },
];

const plainTail: Column = { name: "tail", type: "BYTE_ARRAY", of: ({ entry }) => tailOf(entry, undefined) };
/** Beside sealed payloads, so that leaves can be proved without the key, and after it is gone. */
const commitment: Column = {
  name: "commitment",
  type: "BYTE_ARRAY",
  of: ({ entry }) => hashBytes(entry.commitment),
};

/** What an entry is put together from again. */
export const entryColumns = ["record_index", "withheld", "context", "header"] as const;
/** With it, whose entry it is. */
export const rowColumns = [...entryColumns, "writer_id", "epoch", "block", "block_end"] as const;

/** With a key, the payloads are sealed, a row group at a time, and all else stays readable. */
export function columnData(rows: readonly ArchiveRow[], key: ArchiveKey | undefined): ColumnSource[] {
  const all = [...columns, key === undefined ? plainTail : commitment];
  const data = all.map(({ name, type, of }) =>
    source(
      name,
      type,
      rows.map((row) => of(row) ?? null),
    ),
  );
  return key === undefined ? data : [...data, source("sealed_tails", "BYTE_ARRAY", sealedTails(rows, key))];
}

function source(name: string, type: Column["type"], data: ColumnSource["data"]): ColumnSource {
  return { name, type, nullable: true, data, ...(type === "BYTE_ARRAY" ? { statistics: false } : {}) };
}

/** One text with the first row of each group. */
function sealedTails(rows: readonly ArchiveRow[], key: ArchiveKey): (Buffer | null)[] {
  return rows.map((_row, i) => {
    if (i % rowGroupSize !== 0) return null;
    const tails = rows.slice(i, i + rowGroupSize).map(({ entry }) => tailOf(entry, undefined));
    return sealTails(key, i / rowGroupSize, tails);
  });
}

/** What of a use case and environment an archive or block holds. */
export interface Held {
  readonly useCaseId: string;
  readonly environment: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export function contentsOfRows(rows: readonly ArchiveRow[]): Held[] {
  const held = new Map<string, Held>();
  for (const { header } of rows) {
    const { context, receivedAt } = header;
    const { useCaseId, environment } = context;
    const key = `${environment}/${useCaseId}`;
    const before = held.get(key) ?? {
      useCaseId,
      environment,
      count: 0,
      firstAt: receivedAt,
      lastAt: receivedAt,
    };
    held.set(key, {
      ...before,
      count: before.count + 1,
      firstAt: Math.min(before.firstAt, receivedAt),
      lastAt: Math.max(before.lastAt, receivedAt),
    });
  }
  return [...held.values()];
}
