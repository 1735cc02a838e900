import { cellText } from "@portolan/features/online-columns";
import type { StoredEntity, StoredRecords, StoredVector } from "@portolan/features/online-values";

type Value = StoredVector["v"][number];

/**
 * How the values of one entity lie in the store (docs/spec/online-rows.md): each value as its JSON text behind a table of their lengths, so that a reader who
 * passes them on copies bytes; and as a double, too, where its text takes long to read. Rows of before are MessagePack, which never begins with this byte.
 */
const marker = 0xc1;
/** Where all values are numbers, and where some are texts: lengths of two bytes. */
const [numbersForm, textsForm] = [1, 2];
const [vectorKind, recordsKind] = [0, 1];

const rowHead = 8;
/** As-of or event time, how many values, how many bytes of text, and how many doubles. */
const vectorHead = 20;
/** The same, and when it was available, its sequence, and whether it is a tombstone. */
const recordHead = 44;
/** Said of a length, in the form that has texts: it is that of a text. */
const isText = 0x8000;
/** Up to 15 digits are exact as a double, and so is the power of ten below them: their quotient is rounded once, as the text's value is. */
const shortText = 15;

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
  readonly values: readonly Value[];
  readonly available?: number;
  readonly sequence?: number;
  readonly tombstone?: number;
}

function recordPart([at, available, sequence, tombstone, values]: StoredRecords["r"][number]): Part {
  return { at, available, sequence, tombstone, values };
}

function packParts(kind: number, head: number, parts: readonly Part[]): Buffer {
  const row = Buffer.alloc(rowHead);
  const hasTexts = parts.some(({ values }) => values.some((value) => typeof value === "string"));
  row.set([marker, hasTexts ? textsForm : numbersForm, kind]);
  row.writeUInt32LE(parts.length, 4);
  return Buffer.concat([row, ...parts.map((part) => packPart(head, hasTexts ? 2 : 1, part))]);
}

function packPart(head: number, lengthBytes: 1 | 2, part: Part): Buffer {
  const { at, values, available, sequence, tombstone } = part;
  const texts = values.map((value) => Buffer.from(value === null ? "" : cellText(value)));
  const doubles = values.filter(
    (value, index) => typeof value === "number" && (texts[index]?.length ?? 0) > shortText,
  );
  const text = Buffer.concat(texts);
  const bytes = Buffer.alloc(head + texts.length * lengthBytes + text.length + doubles.length * 8);
  bytes.writeDoubleLE(at, 0);
  bytes.writeUInt32LE(texts.length, 8);
  bytes.writeUInt32LE(text.length, 12);
  bytes.writeUInt32LE(doubles.length, 16);
  if (head === recordHead) {
    bytes.writeDoubleLE(available ?? 0, 20);
    bytes.writeDoubleLE(sequence ?? 0, 28);
    bytes.writeUInt8(tombstone ?? 0, 36);
  }
  let place = head;
  for (const [index, { length }] of texts.entries())
    place =
      lengthBytes === 1
        ? bytes.writeUInt8(length, place)
        : bytes.writeUInt16LE(typeof values[index] === "string" ? length | isText : length, place);
  place += text.copy(bytes, place);
  for (const value of doubles) place = bytes.writeDoubleLE(Number(value), place);
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
  /** How many bytes each length has. */
  readonly lengthBytes: 1 | 2;
  /** Where in the row their lengths, their texts, and the doubles of the long ones begin, and where the part ends. */
  readonly lengths: number;
  readonly texts: number;
  readonly doubles: number;
  readonly end: number;
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
  const form = bytes.getUint8(1);
  if (form !== numbersForm && form !== textsForm)
    throw new Error(`a row of the online store has the form ${form}, which a newer version wrote`);
  const isVector = bytes.getUint8(2) === vectorKind;
  const lengthBytes = form === textsForm ? 2 : 1;
  const left = bytes.getUint32(4, true);
  // Nearly always there is one.
  if (left === 1) return { bytes, isVector, parts: [partAt(bytes, isVector, lengthBytes, rowHead)] };
  const parts: PackedPart[] = [];
  for (let at = rowHead; parts.length < left; ) {
    const part = partAt(bytes, isVector, lengthBytes, at);
    parts.push(part);
    at = part.end;
  }
  return { bytes, isVector, parts };
}

function partAt(bytes: DataView, isVector: boolean, lengthBytes: 1 | 2, at: number): PackedPart {
  const count = bytes.getUint32(at + 8, true);
  const lengths = at + (isVector ? vectorHead : recordHead);
  const texts = lengths + count * lengthBytes;
  const doubles = texts + bytes.getUint32(at + 12, true);
  return {
    event: bytes.getFloat64(at, true),
    available: isVector ? 0 : bytes.getFloat64(at + 20, true),
    sequence: isVector ? 0 : bytes.getFloat64(at + 28, true),
    isTombstone: !isVector && bytes.getUint8(at + 36) === 1,
    count,
    lengthBytes,
    lengths,
    texts,
    doubles,
    end: doubles + bytes.getUint32(at + 16, true) * 8,
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
export function unpackEntity(row: Uint8Array): StoredVector | StoredRecords {
  const { bytes, isVector, parts } = readPacked(row);
  const [first] = parts;
  if (isVector && first) return { a: first.event, v: valuesOf(bytes, first) };
  return {
    r: parts.map((part) => {
      const { event, available, sequence, isTombstone } = part;
      return [event, available, sequence, isTombstone ? 1 : 0, valuesOf(bytes, part)] as const;
    }),
  };
}

function valuesOf(
  bytes: DataView,
  { count, lengthBytes, lengths, texts, doubles }: PackedPart,
): readonly Value[] {
  const values: Value[] = [];
  let at = texts;
  let double = doubles;
  for (let index = 0; index < count; index++) {
    const said =
      lengthBytes === 1 ? bytes.getUint8(lengths + index) : bytes.getUint16(lengths + index * 2, true);
    const length = said & ~isText;
    if (length === 0) values.push(null);
    else if (said !== length) values.push(JSON.parse(utf8(bytes, at, at + length)) as string);
    else if (length > shortText) {
      values.push(bytes.getFloat64(double, true));
      double += 8;
    } else values.push(shortNumber(bytes, at, at + length));
    at += length;
  }
  return values;
}

const [minus, point, digit0] = [0x2d, 0x2e, 0x30];
const powers = Array.from({ length: shortText + 1 }, (_, power) => Number(`1e${power}`));

/** The number that a short text of `cellText` stands for. */
function shortNumber(bytes: DataView, from: number, to: number): number {
  const isNegative = bytes.getUint8(from) === minus;
  let whole = 0;
  let decimals = -1;
  for (let at = isNegative ? from + 1 : from; at < to; at++) {
    const code = bytes.getUint8(at);
    if (code === point) {
      decimals = 0;
      continue;
    }
    const digit = code - digit0;
    if (digit < 0 || digit > 9) return otherNumber(bytes, from, to);
    whole = whole * 10 + digit;
    if (decimals >= 0) decimals += 1;
  }
  const value = decimals > 0 ? whole / (powers[decimals] ?? 1) : whole;
  return isNegative ? -value : value;
}

function utf8({ buffer, byteOffset }: DataView, from: number, to: number): string {
  return Buffer.from(buffer, byteOffset + from, to - from).toString("utf8");
}

/** With an exponent, or a text for what JSON has no number for. */
function otherNumber({ buffer, byteOffset }: DataView, from: number, to: number): number {
  const text = Buffer.from(buffer, byteOffset + from, to - from).toString("latin1");
  return Number(text.replaceAll('"', ""));
}
