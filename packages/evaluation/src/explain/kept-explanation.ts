import { randomBytes } from "node:crypto";
import { canonicalJson, type Digest, digestJson } from "@portolan/kernel";
import { hashFromHex, leafHash, MemoryTree, toHex, verifyInclusion } from "@portolan/merkle";
import type { Explanation } from "./contract.ts";
import type { ExplainedRow } from "./ports.ts";

/** Everything that an explanation was made of, and what was found: as it is kept, and as its digest is taken. */
export interface KeptContent {
  readonly format: 1;
  readonly predictionId: string;
  readonly model: Explanation["model"];
  readonly background: Explanation["background"];
  readonly parameters: { readonly top: number; readonly fixed: readonly string[] };
  /** Rows of the request; the first ones of them are explained. */
  readonly rows: number;
  readonly explained: readonly ExplainedRow[];
}

export interface SealedContent {
  readonly content: string;
  /** 32 hex digits, drawn: who knows the digest cannot guess the values. */
  readonly salt: string;
  readonly digest: Digest;
}

/** @throws PortolanError `kernel.not_canonical` where a number is none */
export function sealContent(kept: KeptContent, salt = randomBytes(16).toString("hex")): SealedContent {
  const content = canonicalJson(kept);
  return { content, salt, digest: digestJson({ content, salt }) };
}

export function readContent(content: string): KeptContent {
  return JSON.parse(content) as KeptContent;
}

/** Whether a row that was explained anew is, bit for bit, what the digest was taken of. Pure. */
export function isKeptRow(
  kept: KeptContent,
  { salt, digest }: Pick<SealedContent, "salt" | "digest">,
  row: number,
  found: ExplainedRow,
): boolean {
  return sealContent({ ...kept, explained: kept.explained.with(row, found) }, salt).digest === digest;
}

/** The root over explanations that are kept together, and each one's way to it. Leaves are the digests' texts, in the order given. Pure. */
export function rootOfKept(digests: readonly string[]): {
  readonly root: string;
  readonly pathOf: (index: number) => readonly string[];
} {
  const tree = MemoryTree.of(digests.map(leafOf));
  return { root: toHex(tree.root()), pathOf: (index) => tree.inclusionProof(index).map(toHex) };
}

/**
 * Whether a kept explanation's digest is under the root that its ledger row names. False for any malformed claim. Pure.
 *
 * @param root 64 hex digits: `detail.digest` of the row
 */
export function isUnderRoot(
  { digest, leaf: { index, count, path } }: Pick<NonNullable<Explanation["kept"]>, "digest" | "leaf">,
  root: string,
): boolean {
  const proof = path.flatMap((hash) => hashFromHex(hash) ?? []);
  const named = hashFromHex(root);
  if (!named || proof.length !== path.length) return false;
  return verifyInclusion({ leaf: leafOf(digest), index, size: count, root: named, proof });
}

function leafOf(digest: string): Uint8Array {
  return leafHash(new TextEncoder().encode(digest));
}
