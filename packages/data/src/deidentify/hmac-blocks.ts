import { createHmac } from "node:crypto";

/** The inner and outer block of HMAC-SHA256 (RFC 2104) in hexadecimal, under a key of its own for each label. */
export function hmacBlocks(
  key: Uint8Array,
  label: string,
): { readonly inner: string; readonly outer: string } {
  const own = createHmac("sha256", key).update(label).digest();
  // Padded to the block of 64 bytes.
  const padded = Buffer.alloc(64);
  own.copy(padded);
  const block = (mask: number): string => Buffer.from(padded.map((byte) => byte ^ mask)).toString("hex");
  return { inner: block(0x36), outer: block(0x5c) };
}
