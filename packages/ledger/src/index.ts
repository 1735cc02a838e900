export { ledgerErrors } from "./errors.ts";
export { ledgerMigrations } from "./migrations.ts";
export {
  type BatchDigest,
  createRecorder,
  type Denial,
  type Recorder,
  type RecordingTransaction,
  recordBatchDigest,
  recordDenial,
} from "./recorder.ts";
