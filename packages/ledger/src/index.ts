export { advisorySequencerLock, type LockSession } from "./advisory-lock.ts";
export { type CheckpointVerdict, judgeCheckpoint, originOf } from "./checkpoints.ts";
export { type AnonymousDenial, createDenialTally, type DenialTally } from "./denial-tally.ts";
export { ledgerErrors } from "./errors.ts";
export { ledgerFacts } from "./facts-store.ts";
export {
  exportLedger,
  type LedgerDeps,
  proveConsistency,
  proveRow,
  readCheckpoint,
  readEntry,
  receiptFor,
  searchLedger,
} from "./ledger.ts";
export { ledgerMigrations } from "./migrations.ts";
export {
  type SequencerHold,
  type SequencerLock,
  type SequencerObserver,
  type SequencerStep,
  sequencerSteps,
} from "./ports.ts";
export {
  type BatchDigest,
  createRecorder,
  type Denial,
  type Recorder,
  type RecordingTransaction,
  recordBatchDigest,
  recordDenial,
} from "./recorder.ts";
export type { RecoveredLog } from "./recovery.ts";
export { registerLedgerRoutes } from "./routes/index.ts";
export { type Sequencer, type SequencerDeps, startSequencer } from "./sequencer.ts";
export type { VerificationReport } from "./verification.ts";
export { createVerifyJob, type VerifyOptions, verifyLedger } from "./verify-ledger.ts";
