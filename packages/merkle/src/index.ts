export { type Checkpoint, formatCheckpoint, parseCheckpoint } from "./checkpoint.ts";
export { CompactTree, type NodeSink, rootOfLeaves } from "./compact-tree.ts";
export { emptyRoot, hashBytes, hashFromHex, leafHash, nodeHash, sameHash, toHex } from "./hashing.ts";
export { MemoryTree } from "./memory-tree.ts";
export { fillPlan, type ProofPlan, planConsistency, planInclusion } from "./proof-plans.ts";
export {
  composeNote,
  formatVerifier,
  type NoteSignature,
  type NoteVerifier,
  noteVerifier,
  parseNote,
  parseVerifier,
  rawPublicKey,
  type SignedNote,
  verifyEd25519,
  verifyNote,
} from "./signed-note.ts";
export { foldSubtrees, type NodePosition, subtreesOf } from "./subtrees.ts";
export {
  type BundlePosition,
  bundlePath,
  decodeBundle,
  encodeBundle,
  joinHashes,
  maxEntryBytes,
  newBundles,
  newTiles,
  nodeInTile,
  parsePositionPath,
  splitHashes,
  type TilePosition,
  tileOfNode,
  tilePath,
  tileWidth,
} from "./tiles.ts";
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from "./verify.ts";
