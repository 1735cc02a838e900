import { corrupt } from "../format/payload-codec.ts";
import {
  decodeHeader,
  readContext,
  type SharedContext,
  type StoredEntry,
  storedEntry,
  type Withheld,
} from "../format/record-codec.ts";
import type { ArchiveRow } from "./archive-columns.ts";
import type { ArchivedValues } from "./archive-file.ts";

/**
 * Entries put together again from an archive's columns; those that share a context share the object.
 * @throws PortolanError `predictions.corrupt`
 */
export class EntryAssembler {
  readonly #organisationId: string;
  readonly #contexts = new Map<string, SharedContext>();

  constructor(organisationId: string) {
    this.#organisationId = organisationId;
  }

  entry(values: ArchivedValues): StoredEntry {
    const context = optionalBytes(values, "context");
    const parts = {
      index: whole(values, "record_index"),
      organisationId: this.#organisationId,
      header: bytesOf(values, "header"),
      ...(context === undefined ? {} : { context: this.#contextOf(context) }),
    };
    return storedEntry(parts, withheldOf(values), bytesOf(values, "tail"));
  }

  row(values: ArchivedValues): ArchiveRow {
    const entry = this.entry(values);
    const blockEnd = optionalBytes(values, "block_end");
    return {
      writerId: text(values, "writer_id"),
      epoch: whole(values, "epoch"),
      block: whole(values, "block"),
      entry,
      header: decodeHeader(entry),
      ...(blockEnd === undefined ? {} : { blockEnd }),
    };
  }

  #contextOf(json: Buffer): SharedContext {
    const key = json.toString("latin1");
    const known = this.#contexts.get(key);
    if (known) return known;
    const context = readContext(json);
    if (context.value.organisationId !== this.#organisationId)
      throw corrupt("an archive holds a record of another organisation");
    this.#contexts.set(key, context);
    return context;
  }
}

/** The block's end, which lies with the first record of each block. */
export function blockEndOf(values: ArchivedValues): Buffer {
  return bytesOf(values, "block_end");
}

function withheldOf(values: ArchivedValues): Withheld | undefined {
  const value = values["withheld"];
  if (value === null || value === undefined) return undefined;
  const name = textOf(value);
  if (name !== "erased" && name !== "no_space")
    throw corrupt("an archive says of a record what is not known");
  return name;
}

function bytesOf(values: ArchivedValues, column: string): Buffer {
  const bytes = optionalBytes(values, column);
  if (!bytes) throw corrupt(`an archive's ${column} is missing`);
  return bytes;
}

function optionalBytes(values: ArchivedValues, column: string): Buffer | undefined {
  const value = values[column];
  if (value === null || value === undefined) return undefined;
  if (!(value instanceof Uint8Array)) throw corrupt(`an archive's ${column} is not of bytes`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function whole(values: ArchivedValues, column: string): number {
  const value = values[column];
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0)
    throw corrupt(`an archive's ${column} is not a whole number`);
  return number;
}

function text(values: ArchivedValues, column: string): string {
  return textOf(values[column]);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  throw corrupt("an archive holds no text where one belongs");
}
