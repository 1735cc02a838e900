import type { Authorizer, Clock, MigrationSet, RecordBatch, UnitOfWork } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { PartFiles } from "./archive/part-files.ts";
import type { AcceptDeps } from "./control/accept-blocks.ts";
import { Anchorer } from "./control/anchor.ts";
import type { EraseDeps } from "./control/erase-predictions.ts";
import type { RetentionDeps } from "./control/retention.ts";
import { deliveryRoutes } from "./routes/deliveries.ts";
import { holdRoutes } from "./routes/holds.ts";
import { predictionRoutes } from "./routes/predictions.ts";

export {
  type ArchiveDeps,
  type ArchiveOptions,
  type ArchivePolicy,
  type ArchiveRound,
  archivePredictions,
  type DataClasses,
  removeLeftovers,
} from "./archive/archive-predictions.ts";
export { archivedBytes } from "./archive/archived-bytes-store.ts";
export { PartFiles } from "./archive/part-files.ts";
export * from "./contract.ts";
export { type AcceptDeps, type AcceptVerdict, acceptBlocks } from "./control/accept-blocks.ts";
export { Anchorer } from "./control/anchor.ts";
export {
  type ErasureResult,
  type ErasureSelector,
  erasePredictions,
  erasureIntentHandler,
  performErasure,
} from "./control/erase-predictions.ts";
export { type HoldDeps, type HoldScope, placeHold, readHolds, releaseHold } from "./control/holds.ts";
export { addLabelOfPerson, joinLabels, type LabelOfPerson } from "./control/labels-of-people.ts";
export { readBlock } from "./control/read-block.ts";
export { type ColumnValue, readColumn } from "./control/read-column.ts";
export {
  getPrediction,
  listPredictions,
  type PredictionPage,
  type PredictionQuery,
  provePrediction,
} from "./control/read-predictions.ts";
export { readPrediction } from "./control/record-access.ts";
export { type OutcomeReport, reportOutcomes } from "./control/report-outcomes.ts";
export { applyRetention, type RetentionDeps, type RetentionTerms } from "./control/retention.ts";
export { countSubjectRecords, type SubjectRecordDeps, searchPayloads } from "./control/subject-records.ts";
export { predictionsErrors } from "./errors.ts";
export { predictionFacts } from "./facts-store.ts";
export type { HoldView } from "./routes/holds.ts";

export const predictionsMigrations: MigrationSet = {
  package: "predictions",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export interface PredictionsDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  /** `ledger`'s `recordBatchDigest`. */
  readonly recordBatch: RecordBatch;
  readonly files: PartFiles;
  readonly anchorer: Anchorer;
  /** See `AcceptDeps`. */
  readonly onAccepted?: NonNullable<AcceptDeps["onAccepted"]>;
  /** See `EraseDeps` and `RetentionDeps`. */
  readonly onErased?: NonNullable<EraseDeps["onErased"]>;
  readonly onExpired?: NonNullable<RetentionDeps["onExpired"]>;
}

/** `acceptedFolder` is `PORTOLAN_HOME/accepted`; `keysFolder` holds the keys that its payloads are sealed with, absent: they are not. */
export function createPredictionsDeps(
  base: Omit<PredictionsDeps, "files" | "anchorer">,
  acceptedFolder: string,
  keysFolder?: string,
): PredictionsDeps {
  return { ...base, files: new PartFiles(acceptedFolder, keysFolder), anchorer: new Anchorer(base) };
}

export async function registerPredictionsRoutes(app: FastifyInstance, deps: PredictionsDeps): Promise<void> {
  await app.register((scope) => deliveryRoutes(scope, deps));
  await app.register((scope) => predictionRoutes(scope, deps));
  await app.register((scope) => holdRoutes(scope, deps));
}
