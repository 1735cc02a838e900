import type { LoggedBody, PredictionPayload } from "../contract.ts";
import { type Direction, isInRawBytes, tensorsOf } from "./logged-tensors.ts";
import { type SubjectNumber, subjectNumber } from "./subject-number.ts";

/** Whom predictions are looked for by. */
export interface SubjectQuery {
  /** As callers name the person in `x-portolan-subject`, and as a value of these columns. */
  readonly subject: string;
  /** Names of inputs and members that name a data subject, as data contracts mark columns; letters count in either case. */
  readonly columns?: readonly string[];
}

/**
 * Whether a prediction is about somebody: its caller said so, or one of the columns has the value in its request: a tensor of that name, or a
 * member of an object. A request that is no JSON, or not all of it, is theirs where a tensor of that name has the number that the value reads
 * as, or where it names such a column and has the value as one text of a tensor, too. Pure.
 */
export function isAbout(payload: PredictionPayload | undefined, query: SubjectQuery): boolean {
  if (!payload) return false;
  if (payload.subject === query.subject) return true;
  const names = new Set((query.columns ?? []).map((name) => name.toLowerCase()));
  return names.size > 0 && payload.inputs !== undefined && isAskedOf(payload.inputs, query.subject, names);
}

/** The media type says little: requests that failed are on record as bytes, whatever they were. */
function isAskedOf({ bytes }: LoggedBody, subject: string, names: ReadonlySet<string>): boolean {
  const body = bufferOf(bytes);
  const number = subjectNumber(subject);
  const isValue = valueOf(subject);
  const text = body.toString("utf8");
  const request = parsed(text, subject, number);
  if (request !== undefined) return holds(request, names, isValue);
  const header = headerOf(body, subject, number);
  if (header !== undefined && holds(header.request, names, isValue)) return true;
  const isNamed = ({ name }: { readonly name: string }): boolean => names.has(name.toLowerCase());
  if (number && tensorsOf(body, header, "inputs").some((tensor) => isNamed(tensor) && tensor.has(number)))
    return true;
  if (!hasText(body, subject)) return false;
  // What is no text becomes other characters, and leaves names beside it whole.
  const lower = text.toLowerCase();
  return [...names].some((name) => lower.includes(name));
}

/**
 * Whether a body that is not all text has the name as a value of a tensor, whatever it is called: as a text, or as the number that it reads
 * as. Pure.
 */
export function isInTensors({ bytes }: LoggedBody, direction: Direction, name: string): boolean {
  const body = bufferOf(bytes);
  if (hasText(body, name)) return true;
  const number = subjectNumber(name);
  if (number === undefined || parsed(body.toString("utf8"), name, number) !== undefined) return false;
  const header = headerOf(body, name, number);
  const tensors = tensorsOf(body, header, direction);
  if (header === undefined && tensors.length === 0) return isInRawBytes(body, number);
  return tensors.some(({ has }) => has(number));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const [quote, backslash, opening, closing] = [0x22, 0x5c, 0x7b, 0x7d];

/** The object of JSON that stands before tensors in bytes, some of the request's values may be in it; and how long it is. */
function headerOf(
  body: Buffer,
  subject: string,
  number: SubjectNumber | undefined,
): { readonly request: unknown; readonly bytes: number } | undefined {
  if (body[0] !== opening) return undefined;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (isText && byte === backslash) at++;
    else if (byte === quote) isText = !isText;
    else if (!isText && byte === opening) depth++;
    else if (!isText && byte === closing && --depth === 0) {
      const request = parsed(body.toString("utf8", 0, at + 1), subject, number);
      return request === undefined ? undefined : { request, bytes: at + 1 };
    }
  }
  return undefined;
}

/** Texts of tensors begin with their length: of four bytes in the protocol's binary form, of one or two in protobuf. */
function hasText(body: Buffer, text: string): boolean {
  const bytes = Buffer.from(text);
  const fixed = Buffer.alloc(4);
  fixed.writeUInt32LE(bytes.length);
  const varint = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return [fixed, Buffer.from(varint)].some((length) => body.includes(Buffer.concat([length, bytes])));
}

/** Of numbers the number counts, `4711` and `4711.0`. */
function valueOf(subject: string): (value: unknown) => boolean {
  const number = /^-?\d{1,16}(\.\d+)?$/.test(subject) ? Number(subject) : Number.NaN;
  // Larger ones are not told apart: another person's may read as the same. They are compared as they are written.
  const isKnown = Math.abs(number) <= Number.MAX_SAFE_INTEGER;
  return (value) => value === subject || (isKnown && value === number);
}

/** JSON in which the subject's number, where it is one that a double cannot tell from others, is the subject's text. */
function parsed(text: string, subject: string, number: SubjectNumber | undefined): unknown {
  try {
    const isLong = number !== undefined && !Number.isSafeInteger(Math.trunc(Number(subject)));
    return JSON.parse(isLong ? withTextFor(text, subject, number) : text);
  } catch {
    return undefined;
  }
}

/** A reviver, which sees numbers as they are written, is called in recursion: a caller chooses how deep that is. */
function withTextFor(text: string, subject: string, { isWritten }: SubjectNumber): string {
  const written = JSON.stringify(subject);
  const replaced: string[] = [];
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('"', at);
    const outside = text.slice(at, start < 0 ? text.length : start);
    replaced.push(outside.replaceAll(/[-+.\w]+/g, (token) => (isWritten(token) ? written : token)));
    if (start < 0) break;
    at = start + 1;
    while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
    at += 1;
    replaced.push(text.slice(start, at));
  }
  return replaced.join("");
}

/** Walked without recursion: a caller chooses how deep it is. */
function holds(request: unknown, names: ReadonlySet<string>, isValue: (value: unknown) => boolean): boolean {
  const left: unknown[] = [request];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== "object" || one === null) continue;
    if (Array.isArray(one)) {
      for (const item of one as unknown[]) left.push(item);
      continue;
    }
    const object = one as Readonly<Record<string, unknown>>;
    const { name, data } = object;
    if (typeof name === "string" && names.has(name.toLowerCase()) && hasValue(data, isValue)) return true;
    for (const [key, value] of Object.entries(object)) {
      // The protocol's own: of the request, and of nobody.
      if (key === "id" && Array.isArray(object["inputs"])) continue;
      if (names.has(key.toLowerCase()) && hasValue(value, isValue)) return true;
      left.push(value);
    }
  }
  return false;
}

/** Whether it is the value, or an array in which it is, nested or not. */
function hasValue(value: unknown, isValue: (value: unknown) => boolean): boolean {
  const left: unknown[] = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (isValue(one)) return true;
    if (Array.isArray(one)) for (const item of one as unknown[]) left.push(item);
  }
  return false;
}
