import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bundlePath,
  decodeBundle,
  encodeBundle,
  fillPlan,
  joinHashes,
  leafHash,
  MemoryTree,
  newBundles,
  newTiles,
  nodeInTile,
  parsePositionPath,
  planConsistency,
  planInclusion,
  splitHashes,
  subtreesOf,
  tileOfNode,
  tilePath,
  toHex,
} from "./index.ts";

describe("paths of C2SP tlog-tiles", () => {
  test("are the specification's examples", () => {
    expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe("tile/0/x001/x234/067");
    expect(tilePath({ level: 1, index: 0, width: 112 })).toBe("tile/1/000.p/112");
    expect(bundlePath({ index: 273, width: 17 })).toBe("tile/entries/273.p/17");
  });

  test("a tree of 70,000 leaves has the tiles that the specification lists", () => {
    // tlog-tiles: 273 full level-0 tiles and one of width 112, one full level-1 tile and one of width 17, one of width 1.
    const tiles = newTiles(0, 70_000);
    const partial = tiles.filter((tile) => tile.width < 256).map(tilePath);
    expect(partial).toEqual(["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    expect(tiles.filter((tile) => tile.level === 0 && tile.width === 256)).toHaveLength(273);
    expect(tiles.filter((tile) => tile.level === 1 && tile.width === 256)).toHaveLength(1);
  });

  test("every path is read back, and nothing else is accepted", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 256 }), (index, width) => {
        const path = bundlePath({ index, width }).slice("tile/entries/".length);
        expect(parsePositionPath(path)).toEqual({ index, width });
      }),
    );
    for (const bad of [
      "",
      "1",
      "001/002",
      "x000/001",
      "001.p/0",
      "001.p/256",
      "001.p/007",
      "../001",
      "x001",
    ]) {
      expect(parsePositionPath(bad)).toBeUndefined();
    }
  });
});

describe("entry bundles", () => {
  test("come back as they went in", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 }), (entries) => {
        expect(decodeBundle(encodeBundle(entries)).map(toHex)).toEqual(entries.map(toHex));
      }),
    );
  });

  test("a torn bundle is refused at every length that cuts an entry", () => {
    const bundle = encodeBundle([Buffer.from("abc"), Buffer.from("defg")]);
    for (const length of [1, 2, 3, 4, 6, 8, 10]) {
      expect(() => decodeBundle(bundle.subarray(0, length))).toThrow(RangeError);
    }
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(RangeError);
  });
});

describe("a tree kept in tiles", () => {
  const leaves = Array.from({ length: 1_100 }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));
  const tree = MemoryTree.of(leaves);

  /** The tiles of one size, each hash from the tree in memory: what files would hold. */
  function tilesAt(size: number): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const tile of newTiles(0, size)) {
      const hashes = Array.from({ length: tile.width }, (_, i) => {
        const span = 256 ** tile.level;
        const start = (tile.index * 256 + i) * span;
        return MemoryTree.of(leaves.slice(start, start + span)).root();
      });
      found.set(tilePath(tile), joinHashes(hashes));
    }
    return found;
  }

  test("gives the same proofs as the tree in memory", async () => {
    for (const size of [1, 2, 255, 256, 257, 700, 1_024, 1_100]) {
      const tiles = tilesAt(size);
      const hashAt = (node: { level: number; index: number }): Uint8Array => {
        const { tile, first, count } = tileOfNode(node, size);
        return nodeInTile(tiles.get(tilePath(tile)) ?? Buffer.alloc(0), first, count);
      };
      for (const index of [0, Math.floor(size / 2), size - 1]) {
        const proof = await fillPlan(planInclusion(index, size), hashAt);
        expect(proof.map(toHex)).toEqual(tree.inclusionProof(index, size).map(toHex));
        const consistency = await fillPlan(planConsistency(index, size), hashAt);
        expect(consistency.map(toHex)).toEqual(tree.consistencyProof(index, size).map(toHex));
      }
      expect(subtreesOf(0, size).map((node) => toHex(hashAt(node))).length).toBeGreaterThan(0);
    }
  });

  test("growth names each changed tile once, and only changed ones", () => {
    expect(newTiles(256, 256)).toEqual([]);
    expect(newTiles(255, 257).map(tilePath)).toEqual(["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
    expect(newBundles(255, 257).map(bundlePath)).toEqual(["tile/entries/000", "tile/entries/001.p/1"]);
  });

  test("a tile with half a hash is refused", () => {
    expect(() => splitHashes(Buffer.alloc(40))).toThrow(RangeError);
    expect(() => tileOfNode({ level: 3, index: 5 }, 40)).toThrow(RangeError);
  });
});
