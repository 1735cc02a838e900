import { createHash } from "node:crypto";
import { canonicalBytes } from "./canonical-json.ts";
import type { JsonForm } from "./json.ts";

declare const digestOf: unique symbol;

/** A SHA-256 content address, written `sha256:<64 lower-case hex digits>`. */
export type Digest = string & { readonly [digestOf]: "sha256" };

const pattern = /^sha256:[0-9a-f]{64}$/;

export function digestBytes(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}

/** Digest of the canonical JSON form (RFC 8785). */
export function digestJson<T>(value: T & JsonForm<T>): Digest {
  return digestBytes(canonicalBytes(value));
}

export function parseDigest(text: string): Digest | undefined {
  return pattern.test(text) ? (text as Digest) : undefined;
}

/** The 64 hex digits alone, as file names and other tools want them. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

export function digestFromHex(hex: string): Digest | undefined {
  return parseDigest(`sha256:${hex}`);
}
