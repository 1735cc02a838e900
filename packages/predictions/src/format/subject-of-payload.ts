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
 * member of an object. A request that is no JSON is theirs where it names such a column and has the value as one text of a tensor. Pure.
 */
export function isAbout(payload: PredictionPayload | undefined, query: SubjectQuery): boolean {
  if (!payload) return false;
  if (payload.subject === query.subject) return true;
  const names = new Set((query.columns ?? []).map((name) => name.toLowerCase()));
  return names.size > 0 && payload.inputs !== undefined && isAskedOf(payload.inputs, query.subject, names);
}

function isAskedOf({ mediaType, bytes }: LoggedBody, subject: string, names: ReadonlySet<string>): boolean {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isValue = valueOf(subject);
  if (mediaType.startsWith("application/json")) {
    const request = parsed(body.toString("utf8"));
    if (request !== undefined) return holds(request, names, isValue);
  }
  const lower = body.toString("latin1").toLowerCase();
  return (
    [...names].some((name) => lower.includes(Buffer.from(name).toString("latin1"))) && hasText(body, subject)
  );
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
  const number = /^-?\d{1,15}(\.\d+)?$/.test(subject) ? Number(subject) : undefined;
  return (value) => value === subject || (typeof value === "number" && value === number);
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
