import type { JsonWebKeySet, TokenAlgorithm } from "./trusted-issuer.ts";

type PublishedKey = JsonWebKeySet["keys"][number];

interface KeyShape {
  readonly type: "RSA" | "EC" | "OKP";
  readonly curve?: string;
}

const shapes: Readonly<Record<TokenAlgorithm, KeyShape>> = {
  RS256: { type: "RSA" },
  RS384: { type: "RSA" },
  RS512: { type: "RSA" },
  PS256: { type: "RSA" },
  PS384: { type: "RSA" },
  PS512: { type: "RSA" },
  ES256: { type: "EC", curve: "P-256" },
  ES384: { type: "EC", curve: "P-384" },
  ES512: { type: "EC", curve: "P-521" },
  EdDSA: { type: "OKP", curve: "Ed25519" },
};

const minRsaBits = 2048;
/** More than any provider publishes at once; a longer list is a way to make us search. */
export const maxPublishedKeys = 64;

export type KeyChoice =
  | { readonly kind: "chosen"; readonly key: PublishedKey }
  | { readonly kind: "refused"; readonly reason: "unknown_key" | "ambiguous_key" | "weak_key" };

/**
 * Chooses the one key that may verify: its id is exactly the token's, its type, curve, `use`, `key_ops` and `alg`
 * fit the algorithm. A token without `kid` is accepted only when one key fits. Symmetric and private keys never fit.
 */
export function chooseKey(
  set: JsonWebKeySet,
  algorithm: TokenAlgorithm,
  keyId: string | undefined,
): KeyChoice {
  const fitting = set.keys
    .slice(0, maxPublishedKeys)
    .filter((key) => (keyId === undefined || key["kid"] === keyId) && fits(key, algorithm));
  const [key, second] = fitting;
  if (!key) return { kind: "refused", reason: "unknown_key" };
  if (second) return { kind: "refused", reason: "ambiguous_key" };
  if (key["kty"] === "RSA" && rsaBits(key) < minRsaBits) return { kind: "refused", reason: "weak_key" };
  return { kind: "chosen", key };
}

function fits(key: PublishedKey, algorithm: TokenAlgorithm): boolean {
  const shape = shapes[algorithm];
  if (key["kty"] !== shape.type || "d" in key || "k" in key) return false;
  if (shape.curve !== undefined && key["crv"] !== shape.curve) return false;
  if (key["use"] !== undefined && key["use"] !== "sig") return false;
  if (key["alg"] !== undefined && key["alg"] !== algorithm) return false;
  const operations: unknown = key["key_ops"];
  return operations === undefined || (Array.isArray(operations) && operations.includes("verify"));
}

function rsaBits(key: PublishedKey): number {
  const modulus = typeof key["n"] === "string" ? Buffer.from(key["n"], "base64url") : Buffer.alloc(0);
  const first = modulus.findIndex((byte) => byte !== 0);
  if (first < 0) return 0;
  return (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24;
}
