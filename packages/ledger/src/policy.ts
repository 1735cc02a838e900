/** Pure: what a verifier needs with no server and no database. Used offline by the CLI. */
export {
  type CheckpointVerdict,
  checkpointText,
  judgeCheckpoint,
  ledgerVerifier,
  originOf,
  type TimedCheckpoint,
} from "./checkpoints.ts";
export { type CopyLeaf, compareCopy, type Finding, type FindingKind } from "./comparison.ts";
export { type ExportVerificationOptions, verifyExport } from "./export-format.ts";
export { judgeProof, type ProofVerdict } from "./proof-bundle.ts";
export { judgeReceipt, type ReceiptVerdict } from "./receipts.ts";
export {
  parseEntry,
  parsePayload,
  type RowClass,
  type RowHeader,
  type RowPayload,
  rowClasses,
} from "./row-format.ts";
export { judgeLog, type LogCopy, type VerificationReport } from "./verification.ts";
