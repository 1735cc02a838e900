import { createPublicKey } from "node:crypto";
import { canonicalBytes } from "@portolan/kernel";

/**
 * The bytes that prove possession of a charter key: they name the holder, so that nobody can claim another's key as
 * theirs. Pure; the holder's own machine makes them.
 *
 * @param signedAt epoch microseconds
 */
export function possessionStatement(holder: string, publicKeyPem: string, signedAt: number): Uint8Array {
  return canonicalBytes({
    statement: "portolan.charter-key.v1",
    holder,
    publicKeyPem: normalPem(publicKeyPem),
    signedAt,
  });
}

/** The one text of a key, whatever line ends it came with. */
export function normalPem(text: string): string {
  return createPublicKey(text).export({ type: "spki", format: "pem" }).toString();
}
