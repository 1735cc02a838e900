export { addKeysToBackup, type BackupOptions, backupDatabase } from "./backup/backup-database.ts";
export {
  type BackupManifest,
  type FileInBackup,
  readManifest,
  type TableInBackup,
  verifyFiles,
} from "./backup/manifest.ts";
export { type RestoreOptions, type RestoreReport, restoreDatabase } from "./backup/restore-database.ts";
export type { Database, Listening, Session } from "./database.ts";
export { databaseErrors } from "./errors.ts";
export {
  type Intent,
  type IntentHandler,
  type Reconciler,
  type ReconcilerDeps,
  startReconciler,
} from "./intents/reconciler.ts";
export { prepareJobQueue } from "./jobs/boss.ts";
export {
  getJob,
  type JobFilter,
  type JobLogLine,
  type JobPlace,
  type JobView,
  listJobPlaces,
  listJobs,
  listOpenJobs,
  readJobLog,
} from "./jobs/job-queries.ts";
export { createJobQueue, type JobQueue } from "./jobs/job-queue.ts";
export { type JobState, jobStates } from "./jobs/job-tables.ts";
export { type JobWorker, type JobWorkerDeps, startJobWorker } from "./jobs/job-worker.ts";
export { type AppliedMigration, databaseMigrations, migrate } from "./migrate.ts";
export { type DatabaseTarget, openDatabase, unaskedDatabase } from "./open-database.ts";
export { searchText, type TextInTables } from "./search-text.ts";
export {
  createUnitOfWork,
  type JobSink,
  type Recorder,
  type TransactionContext,
  type UnitOfWorkDeps,
} from "./unit-of-work.ts";
