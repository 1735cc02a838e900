import { type Digest, digestJson } from "@portolan/kernel";
import { hashFromHex, verifyInclusion } from "@portolan/merkle";
import { Compile, type Static, Type } from "@portolan/typebox";
import { blockRoot, decodeBlockEnd, genesisRoot } from "./format/block.ts";
import { decodeHeader, isCorrupt, readContext } from "./format/record-codec.ts";
import { hashBytes, hashHex, hashOf, recordLeaf, toHashText } from "./format/record-leaf.ts";

export { byOrganisation, type OrganisationBlocks } from "./by-organisation.ts";
export { formatPredictionId, parsePredictionId } from "./format/position.ts";

const hex32 = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** One block in an anchor: what its ledger leaf commits to. */
export const AnchoredBlock = Type.Object({
  writer: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  block: Type.Integer({ minimum: 0 }),
  /** Root of the organisation's subtree in that block. */
  root: hex32,
  blockRoot: hex32,
});
export type AnchoredBlock = Static<typeof AnchoredBlock>;

/** All that an outsider needs to check one record against one ledger row (P17). Bytes are base64. */
export const PredictionProof = Type.Object({
  predictionId: Type.String(),
  organisationId: Type.String(),
  header: Type.String(),
  /** What the record shares with others of its frame; absent in records of version 1, whose header holds it. */
  context: Type.Optional(Type.String()),
  commitment: hex32,
  /** Present while the payload is: SHA-256 of it is the commitment. */
  saltAndPayload: Type.Optional(Type.String()),
  leafIndex: Type.Integer({ minimum: 0 }),
  inclusion: Type.Array(hex32, { maxItems: 64 }),
  blockEnd: Type.String(),
  anchor: Type.Object({
    second: Type.Integer({ minimum: 0 }),
    digest: Type.String(),
    ledgerRow: Type.String(),
    blocks: Type.Array(AnchoredBlock),
  }),
});
export type PredictionProof = Static<typeof PredictionProof>;
const Proof = Compile(PredictionProof);

export type ProofVerdict =
  /** The record is under `digest`; that `ledgerRow` carries it is for the ledger's own proof. */
  | { readonly kind: "proved"; readonly ledgerRow: string; readonly digest: string }
  | { readonly kind: "refuted"; readonly reason: string };

/** Checks a proof offline; pure, never throws, whatever it is given. */
export function verifyPredictionProof(proof: unknown): ProofVerdict {
  if (!Proof.Check(proof)) return refuted("this is not a prediction proof");
  try {
    return verify(proof);
  } catch (error) {
    if (isCorrupt(error)) return refuted("the record or the block's end is damaged");
    throw error;
  }
}

function verify(proof: PredictionProof): ProofVerdict {
  const header = Buffer.from(proof.header, "base64");
  const commitment = toHashText(Buffer.from(proof.commitment, "hex"));
  const shared =
    proof.context === undefined ? {} : { context: readContext(Buffer.from(proof.context, "base64")) };
  const decoded = decodeHeader({ header, ...shared });
  if (decoded.id !== proof.predictionId || decoded.context.organisationId !== proof.organisationId) {
    return refuted("the record is of another prediction");
  }
  if (proof.saltAndPayload !== undefined) {
    const opened = hashHex(hashOf(Buffer.from(proof.saltAndPayload, "base64")));
    if (opened !== proof.commitment) return refuted("the payload is not the one that was recorded");
  }
  const endBytes = Buffer.from(proof.blockEnd, "base64");
  const end = decodeBlockEnd(endBytes);
  const tree = end.organisations.find(({ id }) => id === proof.organisationId);
  if (!tree) return refuted("the block holds nothing of this organisation");
  const included = verifyInclusion({
    leaf: hashBytes(recordLeaf({ header, contextHash: shared.context?.hash }, commitment)),
    index: proof.leafIndex,
    size: tree.count,
    root: hashFromHex(tree.root) ?? Buffer.alloc(0),
    proof: proof.inclusion.map((hash) => hashFromHex(hash) ?? Buffer.alloc(0)),
  });
  if (!included) return refuted("the record is not in the block");
  const { digest, ledgerRow, blocks, second } = proof.anchor;
  const anchored = blocks.some(
    ({ writer, epoch, block, root, blockRoot: whole }) =>
      writer === end.writer &&
      epoch === end.epoch &&
      block === end.block &&
      root === tree.root &&
      whole === blockRoot(endBytes),
  );
  if (!anchored) return refuted("the anchor does not name the block");
  if (anchorDigest(proof.organisationId, second, blocks) !== digest) {
    return refuted("the anchor's digest is not that of its blocks");
  }
  return { kind: "proved", ledgerRow, digest };
}

/** P16: what the ledger leaf of one organisation and second commits to; the blocks in order of their address. */
export function anchorDigest(
  organisationId: string,
  second: number,
  blocks: readonly AnchoredBlock[],
): Digest {
  const ordered = blocks.map(({ writer, epoch, block, root, blockRoot: whole }) => ({
    writer,
    epoch,
    block,
    root,
    blockRoot: whole,
  }));
  return digestJson({ organisationId, second, blocks: ordered });
}

/** Order of a writer's blocks over its starts. */
export function isAfter(a: BlockPlace, b: BlockPlace): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.block > b.block);
}

interface BlockPlace {
  readonly epoch: number;
  readonly block: number;
}

export type BlockVerdict =
  | { readonly kind: "next" }
  | { readonly kind: "duplicate" }
  /** Blocks before this one have not arrived. */
  | { readonly kind: "gap" }
  /** The writer's history was told differently before. */
  | { readonly kind: "fork" };

/**
 * P13: a block is taken when it names the root of the last one taken. Numbers alone do not decide: a block in which
 * every record was refused leaves no trace.
 */
export function judgeBlock(
  last: (BlockPlace & { readonly root: string }) | undefined,
  acceptedRoot: string | undefined,
  block: BlockPlace & { readonly root: string; readonly previousRoot: string },
): BlockVerdict {
  if (acceptedRoot !== undefined) return { kind: acceptedRoot === block.root ? "duplicate" : "fork" };
  if (last === undefined) return { kind: block.previousRoot === genesisRoot ? "next" : "gap" };
  if (!isAfter(block, last)) return { kind: "fork" };
  return { kind: block.previousRoot === last.root ? "next" : "gap" };
}

function refuted(reason: string): ProofVerdict {
  return { kind: "refuted", reason };
}
