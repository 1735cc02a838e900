import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { type Static, Type } from "@portolan/typebox";
import { corrupt } from "./payload-codec.ts";

const nonceBytes = 12;
const tagBytes = 16;
/** What sealing adds to the length of a text. */
export const sealOverheadBytes = nonceBytes + tagBytes;

/** A data key under a key-encryption key, as it lies beside what it opens. */
export const WrappedKey = Type.Object({
  /** Name of the key-encryption key. */
  kek: Type.String({ pattern: "^kek_[0-9]{16}_[0-9a-f]{8}$" }),
  /** Base64 of nonce, ciphertext and tag. */
  wrapped: Type.String({ maxLength: 200 }),
});
export type WrappedKey = Static<typeof WrappedKey>;

/** AES-256-GCM under a random nonce: nonce, ciphertext, tag. `bound` must be the same when it is opened. */
export function seal(key: Buffer, text: Uint8Array, bound: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(bound);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** @throws PortolanError `predictions.corrupt` when it was changed, moved, or sealed with another key */
export function openSealed(key: Buffer, sealed: Buffer, bound: Uint8Array): Buffer {
  if (sealed.length < sealOverheadBytes) throw corrupt("sealed bytes are cut off");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes));
  decipher.setAAD(bound);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw corrupt("sealed bytes do not open", cause);
  }
}
