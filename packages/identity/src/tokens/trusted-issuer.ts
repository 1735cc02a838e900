import type { Environment } from "@portolan/kernel";

/** The asymmetric JWS algorithms that an issuer can be pinned to. `none` and HMAC do not exist here. */
export const tokenAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

/** A public JSON Web Key Set as published (RFC 7517); every key is checked before it is used. */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** One issuer whose tokens count, and exactly what a token of it must look like. */
export interface TrustedIssuer {
  /** Compared character by character with `iss`. */
  readonly issuer: string;
  readonly organisationId: string;
  /** A token must name at least one of them in `aud`. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly TokenAlgorithm[];
  /**
   * `at+jwt` (RFC 9068) is told apart from ID tokens by its type. `JWT` is for issuers that leave the type out: then
   * tokens with the marks of an ID token (`nonce`, `at_hash`, `c_hash`) are refused.
   */
  readonly tokenType: "at+jwt" | "JWT";
  /** Keys given in place; else they are fetched from `jwksUri`, which comes from configuration and never from a token. */
  readonly jwks?: JsonWebKeySet;
  readonly jwksUri?: string;
  /** The claim that names the principal; `sub` unless the issuer puts it elsewhere. */
  readonly subjectClaim: string;
  /** The widest reach of this issuer's tokens. */
  readonly environments: readonly Environment[];
  /** A claim (text or list) that narrows the reach; a token without it reaches nothing. */
  readonly environmentsClaim?: string;
}
