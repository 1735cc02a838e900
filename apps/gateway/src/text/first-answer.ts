import { EventSplitter } from "@portolan/serving/policy";

/** With the prompt it has to find room in a record. */
const mostAnswerBytes = 8 * 1024 * 1024;

export function isEventStream(contentType: string): boolean {
  return /^text\/event-stream\s*(;|$)/i.test(contentType);
}

/**
 * A stream's parts up to its first event of data, as they came; `undefined` when the stream ends before, or that event is an error or none.
 * Rejects when the body is aborted or breaks off.
 */
export async function firstEventOf(rest: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const splitter = new EventSplitter();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const part = await nextOf(rest);
    if (!part) return undefined;
    parts.push(part);
    length += part.length;
    const data = splitter.push(part).find((event) => event.data !== undefined)?.data;
    if (data !== undefined) return isAnswer(parse(data)) ? Buffer.concat(parts, length) : undefined;
    if (length > mostAnswerBytes) return undefined;
  }
}

/** A whole answer; `undefined` when it is too long, an error, or no JSON. Rejects when it is aborted or breaks off. */
export async function documentOf(rest: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const part = await nextOf(rest);
    if (!part) break;
    length += part.length;
    if (length > mostAnswerBytes) return undefined;
    parts.push(part);
  }
  const bytes = Buffer.concat(parts, length);
  return isAnswer(parse(bytes.toString("utf8"))) ? bytes : undefined;
}

/** The next part of a body; `undefined` at its end. */
export async function nextOf(rest: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const next = await rest.next();
  return next.done === true ? undefined : next.value;
}

function isAnswer(document: unknown): boolean {
  if (typeof document !== "object" || document === null || Array.isArray(document)) return false;
  return !("error" in document) || document.error === null || document.error === undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
