import type { BlockTrees } from "../format/block.ts";
import {
  contextHeadBytes,
  contextNumberAt,
  formAt,
  forms,
  headerLengthAt,
  readContext,
  recordHeadBytes,
} from "../format/record-codec.ts";
import {
  type HashText,
  hashLength,
  hashOf,
  sharedHeadBytes,
  writeSharedHead,
} from "../format/record-leaf.ts";
import type { RootTree } from "../format/root-tree.ts";

const maxKnown = 1000;

/** Hashes the entries that this process wrote, without an object for each: the log thread's hottest loop. */
export class EntryHasher {
  /** By their JSON: a frame's contexts are mostly those of the frame before. */
  readonly #known = new Map<string, LeafMaker>();

  addAll(raw: Buffer, trees: BlockTrees): void {
    const makers: LeafMaker[] = [];
    const treeOf: RootTree[] = [];
    for (let at = 0; at < raw.length; ) {
      const end = at + 4 + raw.readUInt32LE(at);
      if (raw[at + formAt] === forms.context) {
        const maker = this.#makerOf(raw.subarray(at + contextHeadBytes, end));
        makers.push(maker);
        treeOf.push(trees.treeOf(maker.organisationId));
      } else {
        const number = raw.readUInt16LE(at + contextNumberAt);
        const maker = makers[number];
        const tree = treeOf[number];
        if (!maker || !tree) throw new RangeError("a record names a context that its frame does not hold");
        const header = at + recordHeadBytes;
        tree.append(maker.leaf(raw, header, header + raw.readUInt32LE(at + headerLengthAt), end));
      }
      at = end;
    }
  }

  #makerOf(json: Buffer): LeafMaker {
    const text = json.toString("latin1");
    const known = this.#known.get(text);
    if (known) return known;
    const { hash, value } = readContext(json);
    const maker = new LeafMaker(hash, value.organisationId);
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(text, maker);
    return maker;
  }
}

/** Leaves of the records of one context; what they share lies ready before the header (P6). */
class LeafMaker {
  readonly organisationId: string;
  readonly #contextHash: HashText;
  #input = Buffer.alloc(0);
  /** By length: headers of one context have few lengths, and a view takes as long to make as a short hash. */
  #views: Buffer[] = [];

  constructor(contextHash: HashText, organisationId: string) {
    this.#contextHash = contextHash;
    this.organisationId = organisationId;
  }

  /** Header from `header` to `tail`, salt and payload from there to `end`. */
  leaf(raw: Buffer, header: number, tail: number, end: number): HashText {
    const commitment = hashOf(raw.subarray(tail, end));
    const length = sharedHeadBytes + (tail - header) + hashLength;
    if (length > this.#input.length) this.#grow(length);
    raw.copy(this.#input, sharedHeadBytes, header, tail);
    this.#input.write(commitment, length - hashLength, hashLength, "latin1");
    let view = this.#views[length];
    if (!view) {
      view = this.#input.subarray(0, length);
      this.#views[length] = view;
    }
    return hashOf(view);
  }

  #grow(length: number): void {
    this.#input = Buffer.alloc(Math.max(1024, 2 * length));
    this.#views = [];
    writeSharedHead(this.#input, this.#contextHash);
  }
}
