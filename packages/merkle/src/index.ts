export { CompactTree, type NodeSink, rootOfLeaves } from "./compact-tree.ts";
export { emptyRoot, hashBytes, hashFromHex, leafHash, nodeHash, sameHash, toHex } from "./hashing.ts";
export { MemoryTree } from "./memory-tree.ts";
export { fillPlan, type ProofPlan, planConsistency, planInclusion } from "./proof-plans.ts";
export { foldSubtrees, type NodePosition, subtreesOf } from "./subtrees.ts";
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from "./verify.ts";
