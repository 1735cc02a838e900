import { foldSubtrees, type NodePosition, splitPoint, subtreesOf } from "./subtrees.ts";

/**
 * What a proof is made of: per proof hash, the complete subtrees that fold into it. Planning is pure,
 * so that the hashes may come from memory, tile files or the network.
 */
export type ProofPlan = readonly (readonly NodePosition[])[];

/**
 * RFC 9162 §2.1.3.1, PATH(index, D[size]).
 * @throws RangeError unless 0 ≤ index < size.
 */
export function planInclusion(index: number, size: number): ProofPlan {
  demandSizes(index, size);
  if (index >= size) throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
  const siblings: (readonly NodePosition[])[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      siblings.push(subtreesOf(middle, end));
      end = middle;
    } else {
      siblings.push(subtreesOf(start, middle));
      start = middle;
    }
  }
  return siblings.toReversed();
}

/**
 * RFC 9162 §2.1.4.1, PROOF(older, D[newer]). Empty when the sizes are equal, or the older tree is empty.
 * @throws RangeError unless 0 ≤ older ≤ newer.
 */
export function planConsistency(older: number, newer: number): ProofPlan {
  demandSizes(older, newer);
  if (older > newer) throw new RangeError(`a tree of ${newer} leaves does not extend one of ${older}`);
  if (older === 0 || older === newer) return [];
  const parts: (readonly NodePosition[])[] = [];
  let start = 0;
  let end = newer;
  while (end !== older) {
    const middle = start + splitPoint(end - start);
    if (older <= middle) {
      parts.push(subtreesOf(middle, end));
      end = middle;
    } else {
      parts.push(subtreesOf(start, middle));
      start = middle;
    }
  }
  // The verifier knows the older root itself when the older tree is one complete subtree from leaf 0 on.
  if (start > 0) parts.push(subtreesOf(start, end));
  return parts.toReversed();
}

/** Fetches each subtree hash once and folds them into the proof. */
export async function fillPlan(
  plan: ProofPlan,
  hashAt: (position: NodePosition) => Promise<Uint8Array> | Uint8Array,
): Promise<Uint8Array[]> {
  const proof: Uint8Array[] = [];
  for (const nodes of plan) {
    const hashes: Uint8Array[] = [];
    for (const node of nodes) hashes.push(await hashAt(node));
    const folded = foldSubtrees(hashes);
    if (folded === undefined) throw new RangeError("an empty range has no place in a proof");
    proof.push(folded);
  }
  return proof;
}

function demandSizes(...sizes: readonly number[]): void {
  for (const size of sizes) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is not a tree size`);
  }
}
