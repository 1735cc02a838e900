import { createPublicKey, verify } from "node:crypto";
import { canonicalBytes } from "@portolan/kernel";
import type { CharterDocument, SigningRole } from "./document.ts";

/** Separates charter signatures from everything else that an Ed25519 key might ever sign. */
export const charterSigningPrefix = "portolan charter v1\n";

/**
 * What a person signs: the whole charter, and for whom, as what and in which version. Binding the version and the role
 * means that a signature can be used neither for another role nor for a later resubmission of the same text.
 */
export interface SigningStatement {
  readonly organisationId: string;
  readonly charterId: string;
  readonly useCaseId: string;
  readonly version: number;
  readonly role: SigningRole;
  /** `usr_…` of the person whose key signs. */
  readonly signer: string;
  /** `sgk_…` */
  readonly keyId: string;
  readonly charter: CharterDocument;
}

/** The bytes to sign with Ed25519: the prefix, then the canonical JSON (RFC 8785) of the statement. Pure. */
export function charterSigningBytes(statement: SigningStatement): Uint8Array {
  const { organisationId, charterId, useCaseId, version, role, signer, keyId, charter } = statement;
  const body = canonicalBytes({
    organisationId,
    charterId,
    useCaseId,
    version,
    role,
    signer,
    keyId,
    charter,
  });
  const prefix = new TextEncoder().encode(charterSigningPrefix);
  const bytes = new Uint8Array(prefix.length + body.length);
  bytes.set(prefix);
  bytes.set(body, prefix.length);
  return bytes;
}

/** True when the signature is this key's over this statement. A key or signature of another form is simply false. */
export function verifyCharterSignature(
  statement: SigningStatement,
  signatureBase64: string,
  publicKeyPem: string,
): boolean {
  const signature = Buffer.from(signatureBase64, "base64");
  // Node's decoder skips what is not base64; only the one canonical spelling counts.
  if (signature.length !== 64 || signature.toString("base64") !== signatureBase64) return false;
  try {
    const key = createPublicKey(publicKeyPem);
    if (key.asymmetricKeyType !== "ed25519") return false;
    return verify(null, charterSigningBytes(statement), key, signature);
  } catch {
    // Not a public key: nothing that it could have signed.
    return false;
  }
}
