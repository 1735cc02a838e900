export { adviseContract } from "./contracts/advise-contract.ts";
export type { ContractChange } from "./contracts/diff/contract-change.ts";
export { type ContractDiff, diffContracts } from "./contracts/diff/diff-contracts.ts";
export { contractDigest, readContract } from "./contracts/read-contract.ts";
export { type BatchFigures, type GateVerdict, judgeBatch } from "./judging/batch-metrics.ts";
export { ruleLabel } from "./rules/rule-label.ts";
