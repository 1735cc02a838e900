import { isPortolanError, PortolanError } from "@portolan/kernel";
import { Compile } from "typebox/compile";
import {
  PredictionContext,
  PredictionHeader,
  type PredictionPayload,
  type PredictionRecord,
  type StoredPrediction,
} from "./contract.ts";
import { maxFrameBytes, maxHeaderBytes, maxPayloadBytes } from "./limits.ts";
import { corrupt, decodePayload, parseJson, payloadSections } from "./payload-codec.ts";
import { commitmentOf, recordLeaf } from "./record-leaf.ts";

const Context = Compile(PredictionContext);
const Header = Compile(PredictionHeader);

export const saltBytes = 16;
const commitmentBytes = 32;

/** P4: how a record's payload is held. */
export const forms = { full: 0, erased: 1, noSpace: 2 } as const;

/** A record as it lies in a frame; the buffers are views into it. */
export interface StoredEntry {
  readonly index: number;
  readonly form: number;
  readonly organisationId: string;
  readonly header: Buffer;
  /** Salt and payload side by side; absent once withheld. */
  readonly saltAndPayload?: Buffer;
  readonly commitment: Buffer;
}

interface EncodedContext {
  readonly json: string;
  readonly organisation: Buffer;
}

const contexts = new WeakMap<PredictionContext, EncodedContext>();

/** A record made ready: its exact size is known, nothing is copied yet. */
export interface PreparedRecord {
  readonly organisation: Buffer;
  readonly headerJson: string;
  readonly headerBytes: number;
  readonly sections: readonly (readonly [number, Uint8Array])[];
  /** Bytes of the entry with its length field. */
  readonly entryBytes: number;
}

/**
 * Header as JSON (P4). Texts that come from callers are clipped to their bounds: a request is never left
 * unlogged because its id was long.
 * @throws PortolanError `predictions.record_too_large`; `kernel.bad_request` for a context that breaks its schema.
 */
export function prepareRecord(id: string, record: PredictionRecord): PreparedRecord {
  const context = contexts.get(record.context) ?? encodeContext(record.context);
  const rest = JSON.stringify({
    principal: clip(record.principal),
    purpose: clip(record.purpose),
    requestId: clip(record.requestId),
    receivedAt: record.receivedAt,
    eventTime: record.eventTime,
    latency: record.latency,
    status: record.status,
    fallbackReason: clip(record.fallbackReason),
    inputsType: clip(record.inputs?.mediaType),
    outputsType: clip(record.outputs?.mediaType),
  });
  const headerJson = `{"id":"${id}","context":${context.json},${rest.slice(1)}`;
  const headerBytes = Buffer.byteLength(headerJson);
  const sections = payloadSections(record);
  let payloadBytes = 0;
  for (const [, bytes] of sections) payloadBytes += 5 + bytes.length;
  if (headerBytes > maxHeaderBytes || payloadBytes > maxPayloadBytes) {
    throw new PortolanError("predictions.record_too_large", {
      detail: `the record has ${headerBytes} bytes of header and ${payloadBytes} of payload`,
      mend: `Send at most ${maxPayloadBytes} bytes of inputs and outputs per prediction.`,
    });
  }
  const entryBytes = 14 + context.organisation.length + headerBytes + saltBytes + payloadBytes;
  return { organisation: context.organisation, headerJson, headerBytes, sections, entryBytes };
}

/** Lays the entry at `offset`; the salt's place is left for the log thread. Returns the end. */
export function writeEntry(target: Buffer, offset: number, index: number, record: PreparedRecord): number {
  let at = target.writeUInt32LE(record.entryBytes - 4, offset);
  at = target.writeUInt32LE(index, at);
  at = target.writeUInt8(forms.full, at);
  at = target.writeUInt8(record.organisation.length, at);
  target.set(record.organisation, at);
  at += record.organisation.length;
  at = target.writeUInt32LE(record.headerBytes, at);
  at += target.write(record.headerJson, at, record.headerBytes, "utf8");
  at += saltBytes;
  for (const [tag, bytes] of record.sections) {
    at = target.writeUInt8(tag, at);
    at = target.writeUInt32LE(bytes.length, at);
    target.set(bytes, at);
    at += bytes.length;
  }
  return at;
}

/** An entry whose payload is gone: header and commitment stay, so its leaf stays (P6). */
export function withheldEntry(entry: StoredEntry, form: number): Buffer {
  const organisation = Buffer.from(entry.organisationId);
  const head = Buffer.alloc(10 + organisation.length + 4);
  let at = head.writeUInt32LE(10 + organisation.length + entry.header.length + commitmentBytes, 0);
  at = head.writeUInt32LE(entry.index, at);
  at = head.writeUInt8(form, at);
  at = head.writeUInt8(organisation.length, at);
  head.set(organisation, at);
  head.writeUInt32LE(entry.header.length, at + organisation.length);
  return Buffer.concat([head, entry.header, entry.commitment]);
}

/** The entry as it lay in its frame, length field included. */
export function fullEntry(entry: StoredEntry): Buffer {
  if (entry.saltAndPayload === undefined) return withheldEntry(entry, entry.form);
  const bare = withheldEntry(entry, forms.full);
  const bytes = Buffer.concat([bare.subarray(0, bare.length - commitmentBytes), entry.saltAndPayload]);
  bytes.writeUInt32LE(bytes.length - 4, 0);
  return bytes;
}

/** @throws PortolanError `predictions.corrupt` at the first entry that does not parse. */
export function* readEntries(raw: Buffer): Generator<StoredEntry> {
  let at = 0;
  while (at < raw.length) {
    if (at + 4 > raw.length) throw corrupt("an entry is cut off");
    const length = raw.readUInt32LE(at);
    if (length > maxFrameBytes || length > raw.length - at - 4)
      throw corrupt("an entry is longer than its frame");
    yield readEntry(raw.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

function readEntry(bytes: Buffer): StoredEntry {
  if (bytes.length < 6) throw corrupt("an entry is shorter than its fixed part");
  const index = bytes.readUInt32LE(0);
  const form = bytes.readUInt8(4);
  const organisationEnd = 6 + bytes.readUInt8(5);
  if (organisationEnd + 4 > bytes.length) throw corrupt("an entry's organisation is cut off");
  const organisationId = bytes.toString("latin1", 6, organisationEnd);
  const headerLength = bytes.readUInt32LE(organisationEnd);
  const headerStart = organisationEnd + 4;
  if (headerLength > maxHeaderBytes || headerLength > bytes.length - headerStart) {
    throw corrupt("an entry's header is longer than its entry");
  }
  const header = bytes.subarray(headerStart, headerStart + headerLength);
  const tail = bytes.subarray(headerStart + headerLength);
  const common = { index, form, organisationId, header };
  if (form === forms.full) {
    if (tail.length < saltBytes) throw corrupt("an entry has no salt");
    return { ...common, saltAndPayload: tail, commitment: commitmentOf(tail) };
  }
  if (form !== forms.erased && form !== forms.noSpace) throw corrupt(`entry form ${form} is not known`);
  if (tail.length !== commitmentBytes) throw corrupt("a withheld entry must end with its commitment");
  return { ...common, commitment: tail };
}

export function leafOf(entry: StoredEntry): Buffer {
  return recordLeaf(entry.header, entry.commitment);
}

/** @throws PortolanError `predictions.corrupt` */
export function decodeHeader(header: Buffer): PredictionHeader {
  const value = parseJson(header, "header");
  if (!Header.Check(value)) throw corrupt("a header does not fit its schema");
  return value;
}

/** @throws PortolanError `predictions.corrupt` */
export function decodeEntry(entry: StoredEntry): StoredPrediction {
  const header = decodeHeader(entry.header);
  if (entry.saltAndPayload === undefined) {
    return { header, withheld: entry.form === forms.erased ? "erased" : "no_space" };
  }
  return { header, payload: payloadOf(entry.saltAndPayload, header) };
}

function payloadOf(saltAndPayload: Buffer, header: PredictionHeader): PredictionPayload {
  return decodePayload(saltAndPayload.subarray(saltBytes), header.inputsType, header.outputsType);
}

function encodeContext(context: PredictionContext): EncodedContext {
  if (!Context.Check(context)) {
    throw new PortolanError("kernel.bad_request", {
      detail: "the prediction's context does not fit its schema",
    });
  }
  const organisation = Buffer.from(context.organisationId, "latin1");
  const encoded = { json: JSON.stringify(context), organisation };
  contexts.set(context, encoded);
  return encoded;
}

function clip(text: string): string;
function clip(text: string | undefined): string | undefined;
function clip(text: string | undefined): string | undefined {
  return text !== undefined && text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** True for the one fault that hostile bytes may cause. */
export function isCorrupt(error: unknown): boolean {
  return isPortolanError(error) && error.code === "predictions.corrupt";
}
