import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type Environment, type EpochMicros, environments, type Id, parseId } from "@portolan/kernel";

/**
 * `ptk_<environment>_<26 characters of the key's id>_<43 characters of secret>`. The prefix lets scanners find leaked
 * keys; the environment is readable, so that a production key in a notebook is seen at once.
 */
const form = /^ptk_(dev|staging|production)_([0-9a-hjkmnp-tv-z]{26})_([A-Za-z0-9_-]{43})$/;

export interface ApiKeyText {
  readonly environment: Environment;
  readonly keyId: Id<"apiKey">;
  readonly secret: string;
}

/** True when a bearer credential wants to be an API key rather than a token. */
export function looksLikeApiKey(text: string): boolean {
  return text.startsWith("ptk_");
}

export function parseApiKey(text: string): ApiKeyText | undefined {
  const match = form.exec(text);
  const environment = environments.find((name) => name === match?.[1]);
  const keyId = parseId("apiKey", `key_${match?.[2] ?? ""}`);
  const secret = match?.[3];
  return environment && keyId && secret !== undefined ? { environment, keyId, secret } : undefined;
}

/** A new secret of 256 random bits, and the whole text, which is shown once and kept nowhere. */
export function mintApiKey(keyId: Id<"apiKey">, environment: Environment): { text: string; sha256: string } {
  const secret = randomBytes(32).toString("base64url");
  return { text: `ptk_${environment}_${keyId.slice("key_".length)}_${secret}`, sha256: hashSecret(secret) };
}

/**
 * A plain SHA-256, on purpose: slow password hashes make guessing dear, and 256 random bits cannot be guessed.
 * A slow hash would only hand an attacker a way to burn our processor with made-up keys.
 */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** What verification must know of a key; the same from a row and from a gateway's snapshot. */
export interface StoredApiKey {
  readonly id: string;
  readonly secretSha256: string;
  readonly principalId: string;
  readonly environment: Environment;
  readonly scopes?: readonly string[];
  readonly expiresAt: number;
  readonly revokedAt?: number;
}

export type ApiKeyVerdict =
  | {
      readonly kind: "verified";
      readonly keyId: string;
      readonly principalId: string;
      readonly environment: Environment;
      readonly scopes?: readonly string[];
    }
  | {
      readonly kind: "refused";
      readonly reason: "malformed" | "unknown" | "wrong_secret" | "wrong_environment" | "expired" | "revoked";
    };

/**
 * Verifies an API key against what is stored of it; pure. The secret is compared first and in constant time, so
 * that whoever does not hold it learns nothing of the key's state.
 */
export function verifyApiKey(
  text: string,
  lookup: (keyId: string) => StoredApiKey | undefined,
  now: EpochMicros,
): ApiKeyVerdict {
  const parsed = parseApiKey(text);
  if (!parsed) return { kind: "refused", reason: "malformed" };
  const stored = lookup(parsed.keyId);
  const presented = Buffer.from(hashSecret(parsed.secret), "hex");
  const expected = Buffer.from(stored?.secretSha256 ?? "00".repeat(32), "hex");
  const same = presented.length === expected.length && timingSafeEqual(presented, expected);
  if (!stored) return { kind: "refused", reason: "unknown" };
  if (!same) return { kind: "refused", reason: "wrong_secret" };
  if (stored.environment !== parsed.environment) return { kind: "refused", reason: "wrong_environment" };
  if (stored.revokedAt !== undefined && now >= stored.revokedAt)
    return { kind: "refused", reason: "revoked" };
  if (now >= stored.expiresAt) return { kind: "refused", reason: "expired" };
  return {
    kind: "verified",
    keyId: stored.id,
    principalId: stored.principalId,
    environment: stored.environment,
    ...(stored.scopes === undefined ? {} : { scopes: stored.scopes }),
  };
}
