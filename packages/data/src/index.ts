import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ReadDeps } from "./access/read-rows.ts";
import type { ContractDeps } from "./contracts/publish-contract.ts";
import type { RetentionDeps } from "./retention/apply-retention.ts";
import { accessRoutes } from "./routes/access.ts";
import { contractRoutes } from "./routes/contracts.ts";
import { erasureRoutes } from "./routes/erasures.ts";
import { eventRoutes } from "./routes/events.ts";
import { dataHoldRoutes } from "./routes/holds.ts";
import { ingestionRoutes } from "./routes/ingestions.ts";
import { noticeRoutes } from "./routes/notices.ts";
import { retentionRoutes } from "./routes/retention.ts";
import { subscriptionRoutes } from "./routes/subscriptions.ts";
import type { SubscriptionDeps } from "./subscriptions/subscriptions.ts";

export { publishAccessPolicy } from "./access/access-policies.ts";
export type { AccessDeps, HeldRoles } from "./access/access-to-rows.ts";
export type { PseudonymKeys } from "./access/mask-keys.ts";
export { type ReadDeps, readRows } from "./access/read-rows.ts";
export { createRowBytes } from "./access/release-bytes.ts";
export { createRowsAccess } from "./access/rows-access.ts";
export { datasetRows } from "./access/rows-store.ts";
export type { AnalysisEngine, AnalysisRequest, AnalysisResult } from "./analysis.ts";
export { type ConnectionAddress, readConnectionAddresses } from "./connections/connection-addresses.ts";
export type { KafkaConnection, PostgresqlConnection, TlsMaterial } from "./connections/read-connection.ts";
export { findContract, getContract } from "./contracts/contract-store.ts";
export { type ContractDeps, publishContract } from "./contracts/publish-contract.ts";
export { listDatasets } from "./datasets/dataset-store.ts";
export { keptForGood, sameSources } from "./datasets/kept-store.ts";
export {
  type DeidentifyReport,
  type DeidentifyRequest,
  deidentify,
  planDeidentification,
} from "./deidentify/deidentify.ts";
export { type ColumnAction, type ColumnPlan, columnActions } from "./deidentify/plan.ts";
export { dataPlaces, subjectColumnNames } from "./erasure/data-places.ts";
export { type EraseJobDeps, eraseJob } from "./erasure/erase-job.ts";
export { eventPlace } from "./erasure/event-place.ts";
export { orderErasure, readErasure } from "./erasure/order-erasure.ts";
export { isContractReference } from "./erasure/place-store.ts";
export type { DirectPlace, RowPlace, TextSearch } from "./erasure/places.ts";
export { type DataErrorCode, dataErrors } from "./errors.ts";
export { createAcceptedHistory } from "./events/accepted-history.ts";
export { eventBatchJob } from "./events/batch-events.ts";
export { offerWaiting } from "./events/offer-waiting.ts";
export { receiveEvents } from "./events/receive-events.ts";
export { dataFacts } from "./facts-store.ts";
export { type EventFigures, eventFigures } from "./health/event-figures.ts";
export { type HealthFigures, healthFigures } from "./health/health-figures.ts";
export { type ContractHealth, contractHealth } from "./health/health-store.ts";
export { publicationsWithin } from "./health/publication-store.ts";
export { placeDataHold, releaseDataHold } from "./holds/holds.ts";
export { ingestQueue } from "./ingestion/begin-ingestion.ts";
export { ingestJob } from "./ingestion/ingest-job.ts";
export { findIngestion } from "./ingestion/ingestion-store.ts";
export { readQuarantine } from "./ingestion/quarantine.ts";
export { type IngestionDeps, startIngestion } from "./ingestion/start-ingestion.ts";
export { startReplay } from "./ingestion/start-replay.ts";
export { type ContractTrial, type TrialReport, tryContract } from "./judging/try-contract.ts";
export { noticeJob } from "./notices/notices.ts";
export type {
  FollowDataset,
  NoticeSender,
  OutgoingNotice,
  RelationReader,
  RelationRequest,
  RelationSnapshot,
  ResidencyCheck,
  SubscriberRights,
  TopicPartition,
  TopicReader,
  TopicRecord,
  TopicSession,
} from "./ports.ts";
export {
  applyRetentionNow,
  applyRetentionRound,
  discardHandler,
  type RetentionDeps,
} from "./retention/apply-retention.ts";
export type { ObservedColumn } from "./sources/observe-sources.ts";
export type { SourceFile, SourceFormat } from "./sources/source-plan.ts";
export { runSubscriptions } from "./subscriptions/run-subscriptions.ts";
export { findSubscription } from "./subscriptions/subscription-store.ts";
export { type SubscriptionDeps, subscribe, unsubscribe } from "./subscriptions/subscriptions.ts";

export const dataMigrations: MigrationSet = {
  package: "data",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type DataDeps = ContractDeps &
  Omit<SubscriptionDeps, "topics"> &
  Pick<ReadDeps, "roles" | "pseudonyms" | "derived"> &
  Pick<RetentionDeps, "bytes">;

export async function registerDataRoutes(app: FastifyInstance, deps: DataDeps): Promise<void> {
  await app.register((scope) => contractRoutes(scope, deps));
  await app.register((scope) => ingestionRoutes(scope, deps));
  await app.register((scope) => eventRoutes(scope, deps));
  await app.register((scope) => accessRoutes(scope, deps));
  await app.register((scope) => erasureRoutes(scope, deps));
  await app.register((scope) => dataHoldRoutes(scope, deps));
  await app.register((scope) => retentionRoutes(scope, deps));
  await app.register((scope) => noticeRoutes(scope, deps));
  await app.register((scope) => subscriptionRoutes(scope, deps));
}
