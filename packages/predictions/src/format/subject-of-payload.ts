import type { LoggedBody, PredictionPayload } from "../contract.ts";

/** Whom predictions are looked for by. */
export interface SubjectQuery {
  /** As callers name the person in `x-portolan-subject`, and as a value of these columns. */
  readonly subject: string;
  /** Names of inputs and members that name a data subject, as data contracts mark columns; letters count in either case. */
  readonly columns?: readonly string[];
}

/**
 * Whether a prediction is about somebody: its caller said so, or one of the columns has the value in its request: a tensor of that name, or a
 * member of an object. A request that is no JSON, or not all of it, is theirs where it names such a column and has the value as one text of a
 * tensor, too. Pure.
 */
export function isAbout(payload: PredictionPayload | undefined, query: SubjectQuery): boolean {
  if (!payload) return false;
  if (payload.subject === query.subject) return true;
  const names = new Set((query.columns ?? []).map((name) => name.toLowerCase()));
  return names.size > 0 && payload.inputs !== undefined && isAskedOf(payload.inputs, query.subject, names);
}

/** The media type says little: requests that failed are on record as bytes, whatever they were. */
function isAskedOf({ bytes }: LoggedBody, subject: string, names: ReadonlySet<string>): boolean {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isValue = valueOf(subject);
  const text = body.toString("utf8");
  const request = parsed(text);
  if (request !== undefined) return holds(request, names, isValue);
  const header = headerOf(body);
  if (header !== undefined && holds(header, names, isValue)) return true;
  if (!hasText(body, subject)) return false;
  // What is no text becomes other characters, and leaves names beside it whole.
  const lower = text.toLowerCase();
  return [...names].some((name) => lower.includes(name));
}

const [quote, backslash, opening, closing] = [0x22, 0x5c, 0x7b, 0x7d];

/** The object of JSON that stands before tensors in bytes: some of the request's values may be in it. */
function headerOf(body: Buffer): unknown {
  if (body[0] !== opening) return undefined;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (isText && byte === backslash) at++;
    else if (byte === quote) isText = !isText;
    else if (!isText && byte === opening) depth++;
    else if (!isText && byte === closing && --depth === 0) return parsed(body.toString("utf8", 0, at + 1));
  }
  return undefined;
}

/** Texts of tensors begin with their length: of four bytes in the protocol's binary form, of one or two in protobuf. */
export function hasText(body: Uint8Array, text: string): boolean {
  const all = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const bytes = Buffer.from(text);
  const fixed = Buffer.alloc(4);
  fixed.writeUInt32LE(bytes.length);
  const varint = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return [fixed, Buffer.from(varint)].some((length) => all.includes(Buffer.concat([length, bytes])));
}

/** Of numbers the number counts, `4711` and `4711.0`. */
function valueOf(subject: string): (value: unknown) => boolean {
  const number = /^-?\d{1,16}(\.\d+)?$/.test(subject) ? Number(subject) : Number.NaN;
  // Larger ones are not told apart: another person's may read as the same.
  const isKnown = Math.abs(number) <= Number.MAX_SAFE_INTEGER;
  return (value) => value === subject || (isKnown && value === number);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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
