import { isPortolanError } from "@portolan/kernel";
import { Compile } from "@portolan/typebox";
import {
  PredictionContext,
  PredictionHeader,
  type PredictionPayload,
  type StoredPrediction,
} from "../contract.ts";
import { maxFrameBytes, maxHeaderBytes } from "./limits.ts";
import { corrupt, decodePayload, parseJson } from "./payload-codec.ts";
import { type HashText, hashBytes, hashOf, recordLeaf, toHashText } from "./record-leaf.ts";

const Context = Compile(PredictionContext);
const Header = Compile(PredictionHeader);

export const saltBytes = 16;
export const commitmentBytes = 32;
/** Length, index, form, number of the context, length of the header. */
export const recordHeadBytes = 4 + 4 + 1 + 2 + 4;
export const formAt = 8;
export const contextNumberAt = 9;
export const headerLengthAt = 11;
/** Length, number, form. */
export const contextHeadBytes = 4 + 4 + 1;

/** P4: how a record's payload is held, and the context that records after it share. Those of version 1 carry their contexts. */
export const forms = { full: 4, erased: 5, noSpace: 6, context: 8 } as const;
const formsOf1 = { full: 0, erased: 1, noSpace: 2 } as const;

export type Withheld = NonNullable<StoredPrediction["withheld"]>;

/** What the records of a frame share, kept in it once. */
export interface SharedContext {
  readonly json: Buffer;
  readonly hash: HashText;
  readonly value: PredictionContext;
}

/** A record as it lies in a frame; the buffers are views into it. */
export interface StoredEntry {
  readonly index: number;
  readonly organisationId: string;
  /** Absent in version 1, where the header holds it. */
  readonly context?: SharedContext;
  readonly header: Buffer;
  /** Salt and payload side by side; absent once withheld. */
  readonly saltAndPayload?: Buffer;
  readonly withheld?: Withheld;
  readonly commitment: HashText;
}

/** @throws PortolanError `predictions.corrupt` at the first entry that does not parse. */
export function* readEntries(raw: Buffer): Generator<StoredEntry> {
  const contexts: SharedContext[] = [];
  let at = 0;
  while (at < raw.length) {
    if (at + 4 > raw.length) throw corrupt("an entry is cut off");
    const length = raw.readUInt32LE(at);
    if (length > maxFrameBytes || length > raw.length - at - 4)
      throw corrupt("an entry is longer than its frame");
    const bytes = raw.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    if (length < 6) throw corrupt("an entry is shorter than its fixed part");
    if (bytes.readUInt8(4) !== forms.context) yield readEntry(bytes, contexts);
    else if (bytes.readUInt32LE(0) === contexts.length) contexts.push(readContext(bytes.subarray(5)));
    else throw corrupt("a frame's contexts are not in order");
  }
}

/** @throws PortolanError `predictions.corrupt` */
export function readContext(json: Buffer): SharedContext {
  if (json.length > maxHeaderBytes) throw corrupt("a context is too long");
  const value = parseJson(json, "context");
  if (!Context.Check(value)) throw corrupt("a context does not fit its schema");
  return { json, hash: hashOf(json), value };
}

function readEntry(bytes: Buffer, contexts: readonly SharedContext[]): StoredEntry {
  const index = bytes.readUInt32LE(0);
  const form = bytes.readUInt8(4);
  if (Object.values<number>(formsOf1).includes(form)) return readEntryOf1(bytes, index, form);
  if (bytes.length < 11) throw corrupt("an entry is shorter than its fixed part");
  const context = contexts[bytes.readUInt16LE(5)];
  if (!context) throw corrupt("an entry names a context that its frame does not hold");
  const { header, tail } = split(bytes, 7);
  const { organisationId } = context.value;
  return storedEntry({ index, organisationId, context, header }, heldAs(form, forms), tail);
}

function readEntryOf1(bytes: Buffer, index: number, form: number): StoredEntry {
  const organisationEnd = 6 + bytes.readUInt8(5);
  if (organisationEnd + 4 > bytes.length) throw corrupt("an entry's organisation is cut off");
  const organisationId = bytes.toString("latin1", 6, organisationEnd);
  const { header, tail } = split(bytes, organisationEnd);
  return storedEntry({ index, organisationId, header }, heldAs(form, formsOf1), tail);
}

/** The header behind its length, and what follows it. */
function split(bytes: Buffer, at: number): { header: Buffer; tail: Buffer } {
  const length = bytes.readUInt32LE(at);
  const start = at + 4;
  if (length > maxHeaderBytes || length > bytes.length - start) {
    throw corrupt("an entry's header is longer than its entry");
  }
  return { header: bytes.subarray(start, start + length), tail: bytes.subarray(start + length) };
}

function heldAs(
  form: number,
  known: { readonly full: number; readonly erased: number; readonly noSpace: number },
): Withheld | undefined {
  if (form === known.full) return undefined;
  if (form !== known.erased && form !== known.noSpace) throw corrupt(`entry form ${form} is not known`);
  return form === known.erased ? "erased" : "no_space";
}

/**
 * An entry of its parts; `tail` is what it ends with: salt and payload, or the commitment.
 * @throws PortolanError `predictions.corrupt`
 */
export function storedEntry(
  parts: Pick<StoredEntry, "index" | "organisationId" | "context" | "header">,
  withheld: Withheld | undefined,
  tail: Buffer,
): StoredEntry {
  if (withheld === undefined && tail.length < saltBytes) throw corrupt("an entry has no salt");
  if (withheld !== undefined && tail.length !== commitmentBytes)
    throw corrupt("a withheld entry must end with its commitment");
  return withheld === undefined
    ? new FullEntry(parts, tail)
    : { ...parts, withheld, commitment: toHashText(tail) };
}

/** Hashes its payload when asked: who looks for one record among 65,536 needs one commitment at most. */
class FullEntry implements StoredEntry {
  readonly index: number;
  readonly organisationId: string;
  readonly context?: SharedContext;
  readonly header: Buffer;
  readonly saltAndPayload: Buffer;
  #commitment: HashText | undefined;

  constructor(parts: Pick<StoredEntry, "index" | "organisationId" | "context" | "header">, tail: Buffer) {
    this.index = parts.index;
    this.organisationId = parts.organisationId;
    if (parts.context) this.context = parts.context;
    this.header = parts.header;
    this.saltAndPayload = tail;
  }

  get commitment(): HashText {
    this.#commitment ??= hashOf(this.saltAndPayload);
    return this.#commitment;
  }
}

export function leafOf({ header, context, commitment }: StoredEntry): HashText {
  return recordLeaf({ header, contextHash: context?.hash }, commitment);
}

/** @throws PortolanError `predictions.corrupt` */
export function decodeHeader({ header, context }: Pick<StoredEntry, "header" | "context">): PredictionHeader {
  const value = parseJson(header, "header");
  if (context && typeof value === "object" && value !== null) {
    if ("context" in value) throw corrupt("a header has a context of its own beside the shared one");
    Object.assign(value, { context: context.value });
  }
  if (!Header.Check(value)) throw corrupt("a header does not fit its schema");
  return value;
}

/** @throws PortolanError `predictions.corrupt` */
export function decodeEntry(entry: StoredEntry): StoredPrediction {
  const header = decodeHeader(entry);
  if (entry.saltAndPayload === undefined) return { header, withheld: entry.withheld ?? "erased" };
  return { header, payload: payloadOf(entry.saltAndPayload, header) };
}

function payloadOf(saltAndPayload: Buffer, header: PredictionHeader): PredictionPayload {
  return decodePayload(saltAndPayload.subarray(saltBytes), header.inputsType, header.outputsType);
}

/** True for the one fault that hostile bytes may cause. */
export function isCorrupt(error: unknown): boolean {
  return isPortolanError(error) && error.code === "predictions.corrupt";
}

/** What an entry ends with: salt and payload, or the commitment alone. */
export function tailOf(entry: StoredEntry, withheld: Withheld | undefined): Buffer {
  return withheld === undefined && entry.saltAndPayload ? entry.saltAndPayload : hashBytes(entry.commitment);
}

/** Form of a record in a frame, by version. */
export function formOf(entry: StoredEntry, withheld: Withheld | undefined): number {
  const known = entry.context ? forms : formsOf1;
  if (withheld === undefined && entry.saltAndPayload) return known.full;
  return (withheld ?? entry.withheld) === "no_space" ? known.noSpace : known.erased;
}
