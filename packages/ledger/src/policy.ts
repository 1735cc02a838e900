/** Pure: what a verifier needs with no server and no database. Used offline by the CLI. */
export {
  type CheckpointVerdict,
  checkpointText,
  judgeCheckpoint,
  ledgerVerifier,
  originOf,
  type TimedCheckpoint,
} from "./checkpoints.ts";
export { compareCopy } from "./comparison.ts";
export { type ExportVerificationOptions, verifyExport } from "./export-format.ts";
export type { CopyLeaf, Finding, FindingKind } from "./findings.ts";
export type { LogCopy } from "./leaf-reader.ts";
export { judgeProof, type ProofVerdict } from "./proof-bundle.ts";
export { judgeReceipt, type ReceiptVerdict } from "./receipts.ts";
export {
  parseEntry,
  parsePayload,
  type RowClass,
  type RowHeader,
  type RowPayload,
  rowClasses,
  sealRow,
} from "./row-format.ts";
export { judgeLog, type VerificationReport } from "./verification.ts";
