import { CompactTree } from "./compact-tree.ts";
import { hashBytes } from "./hashing.ts";
import type { NodePosition } from "./subtrees.ts";

/** C2SP tlog-tiles: hashes (or entries) per full tile. */
export const tileWidth = 256;
/** Tree levels that one tile spans: 256 = 2^8. */
export const tileHeight = 8;

/** A tile of hashes. `width` counts its hashes, 1 to 256; below 256 it is partial. */
export interface TilePosition {
  /** Tile level: its hashes are roots of 256^level leaves each. */
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** A bundle of entries beside the level-0 tile of the same index and width. */
export type BundlePosition = Omit<TilePosition, "level">;

/** `tile/0/x001/234`, partial `tile/0/x001/234.p/17` (tlog-tiles §Merkle Tree). */
export function tilePath(tile: TilePosition): string {
  return `tile/${tile.level}/${positionPath(tile)}`;
}

/** `tile/entries/x001/234`, partial `….p/17` (tlog-tiles §Log Entries). */
export function bundlePath(bundle: BundlePosition): string {
  return `tile/entries/${positionPath(bundle)}`;
}

function positionPath({ index, width }: BundlePosition): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return width === tileWidth ? path : `${path}.p/${width}`;
}

/** Reads the part after `tile/<level>/` or `tile/entries/`; `undefined` unless written as tlog-tiles writes it. */
export function parsePositionPath(text: string): BundlePosition | undefined {
  const match = /^((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  const index = Number(match[1].replaceAll(/[x/]/g, ""));
  const width = match[2] === undefined ? tileWidth : Number(match[2]);
  if (match[2] !== undefined && width >= tileWidth) return undefined;
  const position = { index, width };
  return positionPath(position) === text ? position : undefined;
}

/** Hash tiles that a tree of that size has and one of `olderSize` has not (or only narrower), lowest level first. */
export function newTiles(olderSize: number, size: number): readonly TilePosition[] {
  const tiles: TilePosition[] = [];
  let before = olderSize;
  let now = size;
  for (let level = 0; now > 0; level++) {
    for (const part of newParts(before, now)) tiles.push({ level, ...part });
    before = Math.floor(before / tileWidth);
    now = Math.floor(now / tileWidth);
  }
  return tiles;
}

/** Entry bundles that a tree of that size has and one of `olderSize` has not, or only narrower. */
export function newBundles(olderSize: number, size: number): readonly BundlePosition[] {
  return newParts(olderSize, size);
}

function newParts(before: number, now: number): BundlePosition[] {
  const parts: BundlePosition[] = [];
  if (now <= before) return parts;
  for (let index = Math.floor(before / tileWidth); index * tileWidth < now; index++) {
    parts.push({ index, width: Math.min(tileWidth, now - index * tileWidth) });
  }
  return parts;
}

/** The tile that holds a node in a tree of `size` leaves, and which of its hashes fold into it. */
export function tileOfNode(
  node: NodePosition,
  size: number,
): { readonly tile: TilePosition; readonly first: number; readonly count: number } {
  const level = Math.floor(node.level / tileHeight);
  const count = 2 ** (node.level % tileHeight);
  const start = node.index * count;
  const index = Math.floor(start / tileWidth);
  const available = Math.floor(size / tileWidth ** level) - index * tileWidth;
  const first = start % tileWidth;
  if (first + count > available) throw new RangeError(`a tree of ${size} leaves lacks that subtree`);
  return { tile: { level, index, width: Math.min(tileWidth, available) }, first, count };
}

/** Hash of the node whose leaves-in-the-tile are `first` to `first + count`; `count` is a power of two. */
export function nodeInTile(tile: Uint8Array, first: number, count: number): Uint8Array {
  const tree = new CompactTree();
  for (const hash of splitHashes(tile).slice(first, first + count)) tree.append(hash);
  if (tree.size !== count) throw new RangeError(`the tile ends before hash ${first + count}`);
  return tree.root();
}

/** @throws RangeError when the bytes are not whole hashes. */
export function splitHashes(tile: Uint8Array): Uint8Array[] {
  if (tile.length % hashBytes !== 0) throw new RangeError("a tile holds whole hashes of 32 bytes");
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < tile.length; at += hashBytes) hashes.push(tile.subarray(at, at + hashBytes));
  return hashes;
}

export function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(hashes);
}

/** Largest entry that a bundle's 16-bit length can state. */
export const maxEntryBytes = 0xffff;

/** Each entry after its length as a big-endian uint16. @throws RangeError for an entry above 65,535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > maxEntryBytes)
      throw new RangeError(`an entry of ${entry.length} bytes fits no bundle`);
    parts.push(Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry);
  }
  return Buffer.concat(parts);
}

/** @throws RangeError when the bytes end inside an entry, as after a torn write. */
export function decodeBundle(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length) {
    const high = bundle[at];
    const low = bundle[at + 1];
    if (high === undefined || low === undefined) throw new RangeError("the bundle ends inside a length");
    const end = at + 2 + high * 256 + low;
    if (end > bundle.length) throw new RangeError("the bundle ends inside an entry");
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
