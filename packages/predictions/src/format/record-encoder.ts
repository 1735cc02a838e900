import { PortolanError } from "@portolan/kernel";
import { Compile } from "@portolan/typebox";
import {
  type BodyBytes,
  type LatencyBreakdown,
  mostReadViews,
  PredictionContext,
  type PredictionRecord,
} from "../contract.ts";
import { maxHeaderBytes, maxPayloadBytes } from "./limits.ts";
import { sectionHeadBytes, sections } from "./payload-codec.ts";
import { forms, recordHeadBytes, saltBytes } from "./record-codec.ts";

const Context = Compile(PredictionContext);

/** A context as it lies in a frame, once for all records that share it. */
export interface EncodedContext {
  /** JSON in ASCII. */
  readonly json: string;
}

const contexts = new WeakMap<PredictionContext, EncodedContext>();

/** A record made ready: its exact size is known, nothing is copied yet. */
export interface PreparedRecord {
  readonly context: EncodedContext;
  /** JSON in ASCII: as many bytes as characters. */
  readonly header: string;
  readonly inputs: Uint8Array | undefined;
  readonly features: Buffer | undefined;
  readonly outputs: Uint8Array | undefined;
  readonly subject: Buffer | undefined;
  /** Bytes of the entry with its length field, without the context's. */
  readonly entryBytes: number;
}

/**
 * Header as JSON (P4), put together by hand: it is on the way of every answer, and JSON.stringify takes three times as long. Texts
 * that come from callers are clipped to their bounds: a request is never left unlogged because its id was long.
 * @throws PortolanError `predictions.record_too_large`; `kernel.bad_request` for a context that breaks its schema.
 */
export function prepareRecord(id: string, record: PredictionRecord): PreparedRecord {
  const context = contexts.get(record.context) ?? encodeContext(record.context);
  const {
    inputs,
    outputs,
    purpose,
    eventTime,
    replayOf,
    namesVersion,
    flag,
    fallbackReason,
    status,
    text,
    bytes,
  } = record;
  let header = `{"id":"${id}","principal":${quotedOften(record.principal)}`;
  if (purpose !== undefined) header += `,"purpose":${quoted(purpose)}`;
  header += `,"requestId":${quoted(record.requestId)},"receivedAt":${instantText(whole(record.receivedAt))}`;
  if (eventTime !== undefined) header += `,"eventTime":${whole(eventTime)}`;
  if (replayOf !== undefined) header += `,"replayOf":${quoted(replayOf)}`;
  if (namesVersion === true) header += ',"namesVersion":true';
  if (flag) header += `,"flag":{"key":${quoted(flag.key)},"value":${quoted(flag.value)}}`;
  header += `,"latency":${latencyJson(record.latency)}`;
  header += status.kind === "ok" ? ',"status":{"kind":"ok"}' : `,"status":${statusJson(status)}`;
  if (fallbackReason !== undefined) header += `,"fallbackReason":${quoted(fallbackReason)}`;
  if (text) header += `,"text":${ascii(JSON.stringify(text))}`;
  if (bytes) header += bytesJson(bytes);
  if (inputs) header += `,"inputsType":${quotedOften(inputs.mediaType)}`;
  if (outputs) header += `,"outputsType":${quotedOften(outputs.mediaType)}`;
  header += "}";
  const features = record.features && Buffer.from(JSON.stringify(record.features));
  const { onBehalfOf, subject } = record;
  const person =
    onBehalfOf === undefined && subject === undefined
      ? undefined
      : Buffer.from(JSON.stringify({ onBehalfOf, subject }));
  const payloadBytes =
    sectionBytes(inputs?.bytes) +
    sectionBytes(features) +
    sectionBytes(outputs?.bytes) +
    sectionBytes(person);
  if (header.length > maxHeaderBytes || payloadBytes > maxPayloadBytes)
    throw tooLarge(header.length, payloadBytes);
  return {
    context,
    header,
    inputs: inputs?.bytes,
    features,
    outputs: outputs?.bytes,
    subject: person,
    entryBytes: recordHeadBytes + header.length + saltBytes + payloadBytes,
  };
}

/** Lays the entry at `offset`; the salt's place is left for the log thread. Returns the end. */
export function writeEntry(
  target: Buffer,
  offset: number,
  index: number,
  contextNumber: number,
  record: PreparedRecord,
): number {
  const { header } = record;
  let at = target.writeUInt32LE(record.entryBytes - 4, offset);
  at = target.writeUInt32LE(index, at);
  at = target.writeUInt8(forms.full, at);
  at = target.writeUInt16LE(contextNumber, at);
  at = target.writeUInt32LE(header.length, at);
  at += target.write(header, at, header.length, "latin1");
  at += saltBytes;
  at = writeSection(target, at, sections.inputs, record.inputs);
  at = writeSection(target, at, sections.features, record.features);
  at = writeSection(target, at, sections.outputs, record.outputs);
  return writeSection(target, at, sections.subject, record.subject);
}

function sectionBytes(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : sectionHeadBytes + bytes.length;
}

function writeSection(target: Buffer, offset: number, tag: number, bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return offset;
  const at = target.writeUInt32LE(bytes.length, target.writeUInt8(tag, offset));
  target.set(bytes, at);
  return at + bytes.length;
}

function encodeContext(context: PredictionContext): EncodedContext {
  if (!Context.Check(context)) {
    throw new PortolanError("kernel.bad_request", {
      detail: "the prediction's context does not fit its schema",
    });
  }
  const encoded = { json: ascii(JSON.stringify(context)) };
  if (encoded.json.length > maxHeaderBytes) throw tooLarge(encoded.json.length, 0);
  contexts.set(context, encoded);
  return encoded;
}

function latencyJson(latency: LatencyBreakdown): string {
  const { authMicros, featuresMicros, queueMicros, runMicros, totalMicros } = latency;
  let json = "{";
  if (authMicros !== undefined) json += `"authMicros":${whole(authMicros)},`;
  if (featuresMicros !== undefined) json += `"featuresMicros":${whole(featuresMicros)},`;
  if (queueMicros !== undefined) json += `"queueMicros":${whole(queueMicros)},`;
  if (runMicros !== undefined) json += `"runMicros":${whole(runMicros)},`;
  return `${json}"totalMicros":${whole(totalMicros)}}`;
}

function bytesJson({ in: received, out, outside }: BodyBytes): string {
  const isOutside = outside === true ? ',"outside":true' : "";
  return `,"bytes":{"in":${byteCount(received)},"out":${byteCount(out)}${isOutside}}`;
}

function byteCount(value: number): number {
  return whole(Math.min(value, Number.MAX_SAFE_INTEGER));
}

function statusJson(status: Exclude<PredictionRecord["status"], { readonly kind: "ok" }>): string {
  const bounded =
    status.kind === "read"
      ? { ...status, views: status.views.slice(0, mostReadViews).map(clip) }
      : { ...status, reason: clip(status.reason) };
  return ascii(JSON.stringify(bounded));
}

/** A header that no reader takes would stop the whole chain at control: what is no whole number is made one. */
function whole(value: number): number {
  return Number.isSafeInteger(value) && value >= 0 ? value : Math.max(0, Math.round(value)) || 0;
}

const threeDigits = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0"));
let lastSecond = -1;
let lastSecondText = "";

/** The decimal text of epoch microseconds, by parts: numbers beyond 31 bits have a slow one, and the second is that of the record before. */
function instantText(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  if (second === 0) return String(micros);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondText = String(second);
  }
  const rest = micros - second * 1_000_000;
  const millis = Math.floor(rest / 1000);
  return `${lastSecondText}${threeDigits[millis]}${threeDigits[rest - millis * 1000]}`;
}

/** JSON of texts that one record after the other has: callers and media types. */
const quotedTexts = new Map<string, string>();
const mostQuotedTexts = 1024;

/** As `quoted`, for what is mostly one of a few texts: it is looked through once. */
function quotedOften(text: string): string {
  const known = quotedTexts.get(text);
  if (known !== undefined) return known;
  const json = quoted(text);
  if (text.length > 200) return json;
  if (quotedTexts.size >= mostQuotedTexts) quotedTexts.clear();
  quotedTexts.set(text, json);
  return json;
}

/** Characters that JSON takes as they are and that are one byte long. */
const plain = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  const clipped = clip(text);
  return plain.test(clipped) ? `"${clipped}"` : ascii(JSON.stringify(clipped));
}

function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** The same JSON in ASCII, so that its bytes are counted and copied without a look at each. */
function ascii(json: string): string {
  return json.replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function tooLarge(headerBytes: number, payloadBytes: number): PortolanError {
  return new PortolanError("predictions.record_too_large", {
    detail: `the record has ${headerBytes} bytes of header and ${payloadBytes} of payload`,
    mend: `Send at most ${maxPayloadBytes} bytes of inputs and outputs per prediction.`,
  });
}
