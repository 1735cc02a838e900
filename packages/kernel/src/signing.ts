import type { EpochMicros } from "./time.ts";

/** What a key may sign. A key serves one purpose only, so a signature can never be replayed for another. */
export const keyPurposes = ["charter", "ledger", "model", "snapshot", "token"] as const;
export type KeyPurpose = (typeof keyPurposes)[number];

/** `ecdsa-p256` signs SHA-256 digests with DER output (OpenSSF Model Signing); `ed25519` everything else. */
export type KeyAlgorithm = "ed25519" | "ecdsa-p256";

/** The public half and the life of a signing key. Rows are never deleted: old signatures stay verifiable. */
export interface SigningKey {
  /** `sgk_…` */
  readonly id: string;
  readonly purpose: KeyPurpose;
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo in PEM, with its final newline. */
  readonly publicKeyPem: string;
  /** The person whose key it is (charter signatures); absent for keys of the platform. */
  readonly holder?: string;
  readonly validFrom: EpochMicros;
  /** Rotated: signs nothing new, still verifies what it signed before this instant. */
  readonly retiredAt?: EpochMicros;
  /** Compromised: nothing that it signed at or after this instant counts. */
  readonly revokedAt?: EpochMicros;
}

/** True when a signature made at `signedAt` by this key counts. Pure. */
export function keyCounts(key: SigningKey, signedAt: EpochMicros): boolean {
  if (signedAt < key.validFrom) return false;
  if (key.retiredAt !== undefined && signedAt >= key.retiredAt) return false;
  return key.revokedAt === undefined || signedAt < key.revokedAt;
}

/** The platform's keys. Private halves never leave the implementation. */
export interface KeyRing {
  /** The active key of a purpose; made on first use. */
  current(purpose: KeyPurpose): Promise<SigningKey>;
  sign(keyId: string, bytes: Uint8Array): Promise<Uint8Array>;
  find(keyId: string): Promise<SigningKey | undefined>;
}
