import type { TextCase } from "./text-case.ts";

/** No tokenizer's tokens are this long on average. */
const mostBytesPerToken = 32;
const leastKeptBytes = 1024;
const mostKeptBytes = 64 * 1024;
/** Of one case in the results: the answer, its id, and why it did not pass. */
export const mostLineBytes = mostKeptBytes + 8 * 1024;

/** Bytes of an answer within its line of the results. */
export function keptBytesOf({ maxTokens }: Pick<TextCase, "maxTokens">): number {
  return Math.min(Math.max(maxTokens * mostBytesPerToken, leastKeptBytes), mostKeptBytes);
}

/**
 * The longest beginning of a text that takes at most `maxBytes` as JSON in UTF-8, escapes and quotes included. Pure. No character is
 * split.
 */
export function cutToBytes(text: string, maxBytes: number): string {
  if (jsonBytes(text) <= maxBytes) return text;
  let fits = 0;
  // Every UTF-16 unit takes a byte at least.
  let tooLong = Math.min(text.length, maxBytes);
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (jsonBytes(text.slice(0, middle)) <= maxBytes) fits = middle;
    else tooLong = middle;
  }
  return withoutHalfPair(text.slice(0, fits));
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/** Without the first half of a pair at its end. */
function withoutHalfPair(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}
