// Tokens signed by hand, for the attack tests.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { asEpochMicros, type Clock } from "@portolan/kernel";
import { createTokenVerifier, type TokenVerdict } from "./token-verifier.ts";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

export const nowSeconds = 1_790_000_000;
export const clock: Clock = { now: () => asEpochMicros(nowSeconds * 1e6), monotonicNanos: () => 0n };

export const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const smallRsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
export const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
export const ed = generateKeyPairSync("ed25519");
export const attacker = generateKeyPairSync("rsa", { modulusLength: 2048 });

export function jwk(key: KeyObject, members: Record<string, unknown>): Record<string, unknown> {
  return { ...key.export({ format: "jwk" }), ...members };
}

const jwks: JsonWebKeySet = {
  keys: [
    jwk(rsa.publicKey, { kid: "rsa-1", use: "sig" }),
    jwk(p256.publicKey, { kid: "ec-1", alg: "ES256" }),
    jwk(p384.publicKey, { kid: "ec-384" }),
    jwk(ed.publicKey, { kid: "ed-1" }),
    jwk(smallRsa.publicKey, { kid: "small" }),
    { kty: "oct", kid: "shared", k: Buffer.from("shared secret").toString("base64url") },
    jwk(rsa.publicKey, { kid: "encryption-only", use: "enc" }),
  ],
};

export const issuer: TrustedIssuer = {
  issuer: "https://login.example",
  organisationId: "org_1",
  audiences: ["portolan"],
  algorithms: ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
  tokenType: "at+jwt",
  jwks,
  subjectClaim: "sub",
  environments: ["dev", "staging"],
};

export const goodClaims = {
  iss: "https://login.example",
  aud: "portolan",
  sub: "ada",
  iat: nowSeconds - 10,
  exp: nowSeconds + 600,
  jti: "t1",
};

export const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString("base64url");

interface Craft {
  header?: Record<string, unknown> | string;
  claims?: Record<string, unknown> | string;
  key?: KeyObject;
  digest?: string | null;
  signature?: (input: string) => Uint8Array;
}

/** A token signed by hand: any header, any claims, any key. */
export function craft(options: Craft = {}): string {
  const header = options.header ?? { alg: "RS256", kid: "rsa-1", typ: "at+jwt" };
  const claims = options.claims ?? goodClaims;
  const text = (part: Record<string, unknown> | string): string =>
    b64(typeof part === "string" ? part : JSON.stringify(part));
  const input = `${text(header)}.${text(claims)}`;
  const key = options.key ?? rsa.privateKey;
  const signature = options.signature
    ? options.signature(input)
    : sign(
        options.digest === undefined ? "sha256" : options.digest,
        Buffer.from(input),
        key.asymmetricKeyType === "ec" ? { key, dsaEncoding: "ieee-p1363" } : key,
      );
  return `${input}.${b64(signature)}`;
}

export function verify(text: string, trusted: TrustedIssuer = issuer): Promise<TokenVerdict> {
  return createTokenVerifier({ issuers: () => [trusted], clock }).verify(text);
}

export async function reasonOf(text: string, trusted: TrustedIssuer = issuer): Promise<string> {
  const verdict = await verify(text, trusted);
  return verdict.kind === "refused" ? verdict.reason : "verified";
}

export const withHeader = (members: Record<string, unknown>): string =>
  craft({ header: { alg: "RS256", kid: "rsa-1", typ: "at+jwt", ...members } });
export const withClaims = (members: Record<string, unknown>): string =>
  craft({ claims: { ...goodClaims, ...members } });
