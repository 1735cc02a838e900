import { cellText } from "@portolan/features/online-columns";
import type { StoredEntity, StoredRecords, StoredVector } from "@portolan/features/online-values";

/**
 * How the values of one entity lie in the store (docs/spec/online-rows.md): each value as its JSON text behind a table of their lengths, so that a reader who
 * passes them on copies bytes. Rows of before are MessagePack, which never begins with this byte.
 */
const marker = 0xc1;
const formVersion = 1;
const [vectorKind, recordsKind] = [0, 1];

const rowHead = 8;
/** As-of or event time, how many values, and how many bytes of text. */
const vectorHead = 16;
/** The same, and when it was available, its sequence, and whether it is a tombstone. */
const recordHead = 40;

export function isPacked(bytes: Uint8Array): boolean {
  return bytes[0] === marker;
}

/** Pure. Equal values are equal bytes. */
export function packEntity(entity: StoredEntity): Buffer {
  return "r" in entity
    ? packParts(recordsKind, recordHead, entity.r.map(recordPart))
    : packParts(vectorKind, vectorHead, [{ at: entity.a, values: entity.v }]);
}

interface Part {
  readonly at: number;
  readonly values: readonly (number | null)[];
  readonly available?: number;
  readonly sequence?: number;
  readonly tombstone?: number;
}

function recordPart([at, available, sequence, tombstone, values]: StoredRecords["r"][number]): Part {
  return { at, available, sequence, tombstone, values };
}

function packParts(kind: number, head: number, parts: readonly Part[]): Buffer {
  const texts = parts.map(({ values }) => values.map((value) => (value === null ? "" : cellText(value))));
  const sizes = texts.map((own) => own.reduce((sum, text) => sum + text.length, 0));
  const total = texts.reduce((sum, own, index) => sum + head + own.length + (sizes[index] ?? 0), rowHead);
  const bytes = Buffer.alloc(total);
  bytes.set([marker, formVersion, kind]);
  bytes.writeUInt32LE(parts.length, 4);
  let at = rowHead;
  for (const [index, part] of parts.entries()) {
    const own = texts[index] ?? [];
    bytes.writeDoubleLE(part.at, at);
    bytes.writeUInt32LE(own.length, at + 8);
    bytes.writeUInt32LE(sizes[index] ?? 0, at + 12);
    if (kind === recordsKind) {
      bytes.writeDoubleLE(part.available ?? 0, at + 16);
      bytes.writeDoubleLE(part.sequence ?? 0, at + 24);
      bytes.writeUInt8(part.tombstone ?? 0, at + 32);
    }
    at += head;
    for (const text of own) bytes.writeUInt8(text.length, at++);
    for (const text of own) at += bytes.write(text, at, "latin1");
  }
  return bytes;
}

/** One record, or the vector, of a packed row; its values are still bytes. */
export interface PackedPart {
  /** Event time of a record; of a vector as of when it was computed. Epoch microseconds. */
  readonly event: number;
  readonly available: number;
  readonly sequence: number;
  readonly isTombstone: boolean;
  /** How many values there are. */
  readonly count: number;
  /** Where in the row their lengths and their texts begin. */
  readonly lengths: number;
  readonly texts: number;
}

/** What of a row is known without its values. */
export interface PackedRow {
  readonly bytes: DataView;
  readonly isVector: boolean;
  /** A vector is one. */
  readonly parts: readonly PackedPart[];
}

/**
 * Reads a row's heads. Pure.
 * @throws Error for a form that this version does not know: a newer one wrote it
 */
export function readPacked(row: Uint8Array): PackedRow {
  const bytes = viewOf(row);
  if (bytes.getUint8(1) !== formVersion)
    throw new Error(
      `a row of the online store has the form ${bytes.getUint8(1)}, which a newer version wrote`,
    );
  const isVector = bytes.getUint8(2) === vectorKind;
  const left = bytes.getUint32(4, true);
  // Nearly always there is one.
  if (left === 1) return { bytes, isVector, parts: [partAt(bytes, isVector, rowHead)] };
  const parts: PackedPart[] = [];
  for (let at = rowHead; parts.length < left; ) {
    const part = partAt(bytes, isVector, at);
    parts.push(part);
    at = part.texts + bytes.getUint32(at + 12, true);
  }
  return { bytes, isVector, parts };
}

function partAt(bytes: DataView, isVector: boolean, at: number): PackedPart {
  const count = bytes.getUint32(at + 8, true);
  const lengths = at + (isVector ? vectorHead : recordHead);
  return {
    event: bytes.getFloat64(at, true),
    available: isVector ? 0 : bytes.getFloat64(at + 16, true),
    sequence: isVector ? 0 : bytes.getFloat64(at + 24, true),
    isTombstone: !isVector && bytes.getUint8(at + 32) === 1,
    count,
    lengths,
    texts: lengths + count,
  };
}

let known: { readonly row: Uint8Array; readonly bytes: DataView } | undefined;

/** The store reads every row into one buffer, until one is longer than that. */
function viewOf(row: Uint8Array): DataView {
  if (known?.row === row) return known.bytes;
  const bytes = new DataView(row.buffer, row.byteOffset, row.byteLength);
  known = { row, bytes };
  return bytes;
}

/** The inverse of `packEntity`. Pure. @throws Error for a form that this version does not know */
export function unpackEntity(bytes: Uint8Array): StoredVector | StoredRecords {
  const { isVector, parts } = readPacked(bytes);
  const [first] = parts;
  if (isVector && first) return { a: first.event, v: valuesOf(bytes, first) };
  return {
    r: parts.map((part) => {
      const { event, available, sequence, isTombstone } = part;
      return [event, available, sequence, isTombstone ? 1 : 0, valuesOf(bytes, part)] as const;
    }),
  };
}

function valuesOf(bytes: Uint8Array, { count, lengths, texts }: PackedPart): (number | null)[] {
  const values: (number | null)[] = [];
  let at = texts;
  for (let index = 0; index < count; index++) {
    const length = bytes[lengths + index] ?? 0;
    values.push(length === 0 ? null : numberAt(bytes, at, at + length));
    at += length;
  }
  return values;
}

const [quote, minus, point, digit0] = [0x22, 0x2d, 0x2e, 0x30];
/** Up to 15 digits are exact as a double, and so is the power of ten below them: their quotient is rounded once, as the text's value is. */
const exactLength = 15;
const powers = Array.from({ length: exactLength + 1 }, (_, power) => Number(`1e${power}`));

/** The number that a text of `cellText` stands for. */
function numberAt(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[from] === quote) return Number(textAt(bytes, from + 1, to - 1));
  if (to - from > exactLength) return Number(textAt(bytes, from, to));
  const isNegative = bytes[from] === minus;
  let whole = 0;
  let decimals = -1;
  for (let at = isNegative ? from + 1 : from; at < to; at++) {
    const code = bytes[at] ?? 0;
    if (code === point) {
      decimals = 0;
      continue;
    }
    const digit = code - digit0;
    if (digit < 0 || digit > 9) return Number(textAt(bytes, from, to));
    whole = whole * 10 + digit;
    if (decimals >= 0) decimals += 1;
  }
  const value = decimals > 0 ? whole / (powers[decimals] ?? 1) : whole;
  return isNegative ? -value : value;
}

function textAt({ buffer, byteOffset }: Uint8Array, from: number, to: number): string {
  return Buffer.from(buffer, byteOffset + from, to - from).toString("latin1");
}
