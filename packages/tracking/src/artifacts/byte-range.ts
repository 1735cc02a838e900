/** A part of a file: its first and its last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What a `Range` header (RFC 9110, section 14) asks of a file: one part, the whole file, or what it does not have. A header that is none of
 * ours, or asks for several parts, is passed over, as the RFC allows. Pure.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "whole" | "none" {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.replaceAll(/[ \t]/g, "") ?? "");
  const [, from = "", to = ""] = match ?? [];
  if (!match || (from === "" && to === "")) return "whole";
  if (from === "") {
    const length = Math.min(Number(to), sizeBytes);
    return length === 0 ? "none" : { first: sizeBytes - length, last: sizeBytes - 1 };
  }
  const [first, last] = [Number(from), to === "" ? Infinity : Number(to)];
  if (last < first) return "whole";
  return first >= sizeBytes ? "none" : { first, last: Math.min(last, sizeBytes - 1) };
}
