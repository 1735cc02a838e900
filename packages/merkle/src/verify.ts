import { emptyRoot, nodeHash, sameHash } from "./hashing.ts";

export interface InclusionClaim {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.3.2. False for any malformed claim; never throws. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  if (!isSize(claim.index) || !isSize(claim.size) || claim.index >= claim.size) return false;
  let fn = claim.index;
  let sn = claim.size - 1;
  let hash = claim.leaf;
  for (const sibling of claim.proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameHash(hash, claim.root);
}

export interface ConsistencyClaim {
  readonly olderSize: number;
  readonly olderRoot: Uint8Array;
  readonly newerSize: number;
  readonly newerRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.4.2; every tree extends the empty one by an empty proof. Never throws. */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { olderSize, newerSize, olderRoot, newerRoot } = claim;
  if (!isSize(olderSize) || !isSize(newerSize) || olderSize > newerSize) return false;
  if (olderSize === newerSize) return claim.proof.length === 0 && sameHash(olderRoot, newerRoot);
  if (olderSize === 0) return claim.proof.length === 0 && sameHash(olderRoot, emptyRoot());
  const path = isPowerOfTwo(olderSize) ? [olderRoot, ...claim.proof] : claim.proof;
  let fn = olderSize - 1;
  let sn = newerSize - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  const [first, ...rest] = path;
  if (first === undefined) return false;
  return foldConsistency(first, rest, fn, sn, claim);
}

function foldConsistency(
  first: Uint8Array,
  rest: readonly Uint8Array[],
  startFn: number,
  startSn: number,
  claim: ConsistencyClaim,
): boolean {
  let fn = startFn;
  let sn = startSn;
  let older = first;
  let newer = first;
  for (const hash of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      older = nodeHash(hash, older);
      newer = nodeHash(hash, newer);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      newer = nodeHash(newer, hash);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameHash(older, claim.olderRoot) && sameHash(newer, claim.newerRoot);
}

function isPowerOfTwo(size: number): boolean {
  let power = 1;
  while (power < size) power *= 2;
  return power === size;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
