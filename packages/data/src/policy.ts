export { adviseContract } from "./advise-contract.ts";
export { type BatchFigures, type GateVerdict, judgeBatch } from "./batch-metrics.ts";
export type { ContractChange } from "./diff/contract-change.ts";
export { type ContractDiff, diffContracts } from "./diff/diff-contracts.ts";
export { contractDigest, readContract } from "./read-contract.ts";
