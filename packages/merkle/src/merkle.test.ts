import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  CompactTree,
  emptyRoot,
  leafHash,
  MemoryTree,
  nodeHash,
  rootOfLeaves,
  toHex,
  verifyConsistency,
  verifyInclusion,
} from "./index.ts";

/** Inputs and roots of the Certificate Transparency reference implementation (merkle_tree_test). */
const inputs = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => leafHash(Buffer.from(hex, "hex")));
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** RFC 6962 §2.1 and §2.1.1, word for word, as the oracle. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return createHash("sha256").digest();
  if (leaves.length === 1) return first;
  const k = largestPowerBelow(leaves.length);
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = largestPowerBelow(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

function naiveSubproof(m: number, leaves: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)];
  const k = largestPowerBelow(leaves.length);
  return m <= k
    ? [...naiveSubproof(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...naiveSubproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

function largestPowerBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}

function someLeaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));
}

const sizes = fc.integer({ min: 1, max: 300 });
const twoSizes = fc.tuple(sizes, sizes).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

describe("RFC 6962 hashing", () => {
  test("the empty tree hashes to SHA-256 of nothing", () => {
    expect(toHex(emptyRoot())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  test("the roots of 1 to 8 leaves are the reference implementation's", () => {
    for (const [i, root] of roots.entries()) expect(toHex(rootOfLeaves(inputs.slice(0, i + 1)))).toBe(root);
  });

  test("the published inclusion and consistency proofs come out", () => {
    const tree = MemoryTree.of(inputs);
    expect(tree.inclusionProof(0, 8).map(toHex)).toEqual([
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    expect(tree.consistencyProof(1, 8).map(toHex)).toEqual([
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    expect(tree.consistencyProof(6, 8).map(toHex)).toEqual([
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
  });
});

describe("against the recursive definition", () => {
  test("roots agree at every prefix", () => {
    const leaves = someLeaves(70);
    const tree = MemoryTree.of(leaves);
    for (let size = 0; size <= leaves.length; size++) {
      expect(toHex(tree.root(size))).toBe(toHex(naiveRoot(leaves.slice(0, size))));
    }
  });

  test("an inclusion proof equals PATH and verifies", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (size, pick) => {
        const leaves = someLeaves(size);
        const index = pick % size;
        const proof = MemoryTree.of(leaves).inclusionProof(index);
        expect(proof.map(toHex)).toEqual(naivePath(index, leaves).map(toHex));
        const [leaf = emptyRoot()] = leaves.slice(index);
        expect(verifyInclusion({ leaf, index, size, root: naiveRoot(leaves), proof })).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("a consistency proof equals SUBPROOF and verifies", () => {
    fc.assert(
      fc.property(twoSizes, ([older, newer]) => {
        const leaves = someLeaves(newer);
        const proof = MemoryTree.of(leaves).consistencyProof(older);
        expect(proof.map(toHex)).toEqual(naiveSubproof(older, leaves, true).map(toHex));
        const olderRoot = naiveRoot(leaves.slice(0, older));
        const newerRoot = naiveRoot(leaves);
        expect(verifyConsistency({ olderSize: older, olderRoot, newerSize: newer, newerRoot, proof })).toBe(
          true,
        );
      }),
      { numRuns: 60 },
    );
  });

  test("a compact tree resumed from its peaks grows to the same root", () => {
    fc.assert(
      fc.property(twoSizes, ([older, newer]) => {
        const leaves = someLeaves(newer);
        const start = new CompactTree();
        for (const leaf of leaves.slice(0, older)) start.append(leaf);
        const resumed = CompactTree.resume(older, start.peaks);
        for (const leaf of leaves.slice(older)) resumed.append(leaf);
        expect(toHex(resumed.root())).toBe(toHex(naiveRoot(leaves)));
      }),
      { numRuns: 40 },
    );
  });
});

describe("false claims are refused", () => {
  test("any one change to an inclusion claim makes it false", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), (size, pick, bit) => {
        const tree = MemoryTree.of(someLeaves(size));
        const index = pick % size;
        const [leaf = emptyRoot()] = someLeaves(size).slice(index);
        const claim = { leaf, index, size, root: tree.root(), proof: tree.inclusionProof(index) };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: flipped(leaf, bit) })).toBe(false);
        expect(verifyInclusion({ ...claim, root: flipped(claim.root, bit) })).toBe(false);
        expect(verifyInclusion({ ...claim, index: (index + 1) % size })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...claim.proof, leaf] })).toBe(false);
        for (const i of claim.proof.keys()) {
          const proof = claim.proof.map((hash, j) => (i === j ? flipped(hash, bit) : hash));
          expect(verifyInclusion({ ...claim, proof })).toBe(false);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("any one change to a consistency claim makes it false", () => {
    fc.assert(
      fc.property(twoSizes, fc.nat(), ([older, newer], bit) => {
        fc.pre(older < newer);
        const tree = MemoryTree.of(someLeaves(newer));
        const claim = {
          olderSize: older,
          olderRoot: tree.root(older),
          newerSize: newer,
          newerRoot: tree.root(),
          proof: tree.consistencyProof(older),
        };
        expect(verifyConsistency(claim)).toBe(true);
        expect(verifyConsistency({ ...claim, olderRoot: flipped(claim.olderRoot, bit) })).toBe(false);
        expect(verifyConsistency({ ...claim, newerRoot: flipped(claim.newerRoot, bit) })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...claim.proof, tree.root()] })).toBe(false);
        for (const i of claim.proof.keys()) {
          const proof = claim.proof.map((hash, j) => (i === j ? flipped(hash, bit) : hash));
          expect(verifyConsistency({ ...claim, proof })).toBe(false);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("malformed numbers are false, not faults", () => {
    const root = emptyRoot();
    expect(verifyInclusion({ leaf: root, index: 0, size: 0, root, proof: [] })).toBe(false);
    expect(verifyInclusion({ leaf: root, index: -1, size: 1, root, proof: [] })).toBe(false);
    expect(verifyInclusion({ leaf: root, index: 0.5, size: 1, root, proof: [] })).toBe(false);
    expect(
      verifyConsistency({ olderSize: 3, olderRoot: root, newerSize: 2, newerRoot: root, proof: [] }),
    ).toBe(false);
  });
});

function flipped(hash: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(hash);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8));
  return copy;
}
