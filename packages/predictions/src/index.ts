export * from "./contract.ts";
export { predictionsErrors } from "./errors.ts";
export { type RecoveredLog, sealDeadWriter } from "./recovery.ts";
export { openPredictionWriter, type WriterOptions } from "./writer.ts";
