export { type BatchFigures, type GateVerdict, judgeBatch } from "./batch-metrics.ts";
export { contractDigest, readContract } from "./read-contract.ts";
