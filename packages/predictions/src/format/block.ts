import { canonicalBytes, type Id, parseId } from "@portolan/kernel";
import { leafHash, toHex } from "@portolan/merkle";
import { Compile } from "@portolan/typebox";
import { BlockEnd, type OrganisationRoot, type PredictionHeader } from "../contract.ts";
import { type Frame, frameKinds, openFrame, scanFrames } from "./frame.ts";
import { maxBlockEndBytes, maxBlockRawBytes, maxBlockRecords } from "./limits.ts";
import { corrupt, parseJson } from "./payload-codec.ts";
import { formatPredictionId } from "./position.ts";
import { decodeHeader, leafOf, readEntries, type StoredEntry } from "./record-codec.ts";
import { type HashText, hashHex } from "./record-leaf.ts";
import { RootTree } from "./root-tree.ts";

const End = Compile(BlockEnd);

/** `previousRoot` of a writer's first block. */
export const genesisRoot = "0".repeat(64);

/** The subtrees of an open block (P11): one RFC 6962 tree per organisation, in the order of the frames. */
export class BlockTrees {
  readonly #trees = new Map<string, RootTree>();

  get count(): number {
    let count = 0;
    for (const tree of this.#trees.values()) count += tree.size;
    return count;
  }

  add(organisationId: string, leaf: HashText): void {
    this.treeOf(organisationId).append(leaf);
  }

  treeOf(organisationId: string): RootTree {
    let tree = this.#trees.get(organisationId);
    if (!tree) {
      tree = new RootTree();
      this.#trees.set(organisationId, tree);
    }
    return tree;
  }

  roots(): OrganisationRoot[] {
    return [...this.#trees]
      .map(([id, tree]) => ({ id, count: tree.size, root: hashHex(tree.root()) }))
      .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }
}

export function encodeBlockEnd(end: BlockEnd): Uint8Array {
  return canonicalBytes(end);
}

/** P12: the leaf hash of the block end's bytes; the next block's `previousRoot`. */
export function blockRoot(endBytes: Uint8Array): string {
  return toHex(leafHash(endBytes));
}

/** @throws PortolanError `predictions.corrupt` */
export function decodeBlockEnd(bytes: Buffer): BlockEnd {
  if (bytes.length > maxBlockEndBytes) throw corrupt("a block's end is too long");
  const value = parseJson(bytes, "block's end");
  if (!End.Check(value)) throw corrupt("a block's end does not fit its schema");
  if (!Buffer.from(encodeBlockEnd(value)).equals(bytes))
    throw corrupt("a block's end is not in canonical form");
  return value;
}

export interface OpenedBlock {
  readonly writerId: Id<"writer">;
  readonly end: BlockEnd;
  readonly endBytes: Buffer;
  readonly root: string;
  readonly entries: readonly StoredEntry[];
  /** Of the entries, in their order. */
  readonly headers: readonly PredictionHeader[];
}

/**
 * Reads one closed block and checks it wholly: checksums, addresses, entry ids, counts and roots (P11-P13).
 * With `only`, the bytes hold that organisation's entries alone (control's copies), and its root is checked.
 * @throws PortolanError `predictions.corrupt`
 */
export function openBlock(bytes: Buffer, only?: string): OpenedBlock {
  const frames = [...scanFrames(bytes)];
  const last = frames.at(-1);
  if (last === undefined || last.end !== bytes.length) throw corrupt("a block holds bytes that are no frame");
  if (last.kind !== frameKinds.blockEnd) throw corrupt("a block does not end with its end");
  const endBytes = openFrame(last);
  const end = decodeBlockEnd(endBytes);
  const writerId = parseId("writer", end.writer);
  if (writerId === undefined) throw corrupt("a block's writer is not a writer id");
  if (end.epoch !== last.epoch || end.block !== last.block)
    throw corrupt("a block's end names another block");
  const entries = readBlockEntries(frames.slice(0, -1), end);
  const trees = new BlockTrees();
  const indices = new Set<number>();
  const headers: PredictionHeader[] = [];
  for (const entry of entries) {
    if (indices.has(entry.index)) throw corrupt(`index ${entry.index} is used twice`);
    indices.add(entry.index);
    headers.push(checkEntry(entry, writerId, end));
    trees.add(entry.organisationId, leafOf(entry));
  }
  checkRoots(trees.roots(), end, only);
  return { writerId, end, endBytes, root: blockRoot(endBytes), entries, headers };
}

function readBlockEntries(frames: readonly Frame[], end: BlockEnd): StoredEntry[] {
  const entries: StoredEntry[] = [];
  const rawBytes = frames.reduce((total, frame) => total + frame.rawBytes, 0);
  if (rawBytes > maxBlockRawBytes) throw corrupt("a block is larger than a block may be");
  for (const frame of frames) {
    if (frame.kind !== frameKinds.records) throw corrupt("a block holds a frame that is not of records");
    if (frame.epoch !== end.epoch || frame.block !== end.block)
      throw corrupt("a frame belongs to another block");
    const before = entries.length;
    for (const entry of readEntries(openFrame(frame))) {
      if (entries.length >= maxBlockRecords) throw corrupt("a block holds too many records");
      entries.push(entry);
    }
    if (entries.length - before !== frame.count) throw corrupt("a frame's count differs from its entries");
  }
  return entries;
}

/** The id in the header is what the leaf covers: it must be the position, and the organisation must agree. */
function checkEntry(entry: StoredEntry, writerId: Id<"writer">, end: BlockEnd): PredictionHeader {
  const header = decodeHeader(entry);
  const expected = formatPredictionId({ writerId, epoch: end.epoch, block: end.block, index: entry.index });
  if (header.id !== expected) throw corrupt(`entry ${entry.index} carries the id ${header.id}`);
  if (header.context.organisationId !== entry.organisationId) {
    throw corrupt(`entry ${entry.index} lies under another organisation`);
  }
  return header;
}

/**
 * One entry of a block without checking the others: frames' checksums, no roots. For looking up what was wholly checked when it was
 * taken; a proof opens the whole block.
 * @throws PortolanError `predictions.corrupt`
 */
export function findEntry(bytes: Buffer, index: number): StoredEntry | undefined {
  for (const frame of scanFrames(bytes)) {
    if (frame.kind !== frameKinds.records) continue;
    for (const entry of readEntries(openFrame(frame))) if (entry.index === index) return entry;
  }
  return undefined;
}

function checkRoots(found: readonly OrganisationRoot[], end: BlockEnd, only: string | undefined): void {
  const expected = only === undefined ? end.organisations : end.organisations.filter(({ id }) => id === only);
  const same =
    found.length === expected.length &&
    found.every((root, i) => {
      const other = expected[i];
      return root.id === other?.id && root.count === other.count && root.root === other.root;
    });
  if (!same) throw corrupt("a block's records do not have its roots");
  const sum = end.organisations.reduce((total, { count }) => total + count, 0);
  if (sum !== end.count) throw corrupt("a block's counts do not add up");
  const sorted = end.organisations.every(({ id }, i) => i === 0 || (end.organisations[i - 1]?.id ?? "") < id);
  if (!sorted) throw corrupt("a block's organisations are not sorted");
}
