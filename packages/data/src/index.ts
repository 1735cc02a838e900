import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ContractDeps } from "./contracts.ts";
import type { EventDeps } from "./events/receive-events.ts";
import { contractRoutes } from "./routes/contracts.ts";
import { eventRoutes } from "./routes/events.ts";
import { ingestionRoutes } from "./routes/ingestions.ts";
import { noticeRoutes } from "./routes/notices.ts";

export type { AnalysisEngine, AnalysisRequest, AnalysisResult } from "./analysis.ts";
export { type ContractDeps, publishContract } from "./contracts.ts";
export { dataErrors } from "./errors.ts";
export { eventBatchJob } from "./events/batch-events.ts";
export { receiveEvents } from "./events/receive-events.ts";
export { type HealthFigures, healthFigures } from "./health.ts";
export { type ContractHealth, contractHealth } from "./health-store.ts";
export { ingestJob } from "./ingest-job.ts";
export { type IngestionDeps, ingestQueue, startIngestion } from "./ingestions.ts";
export { noticeJob } from "./notices.ts";
export type { FollowDataset, NoticeSender, OutgoingNotice, ResidencyCheck } from "./ports.ts";
export { readQuarantine } from "./quarantine.ts";
export { startReplay } from "./replay.ts";
export type { SourceFile, SourceFormat } from "./source-plan.ts";
export { type ContractTrial, type TrialReport, tryContract } from "./try-contract.ts";

export const dataMigrations: MigrationSet = {
  package: "data",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type DataDeps = ContractDeps & EventDeps;

export async function registerDataRoutes(app: FastifyInstance, deps: DataDeps): Promise<void> {
  await app.register((scope) => contractRoutes(scope, deps));
  await app.register((scope) => ingestionRoutes(scope, deps));
  await app.register((scope) => eventRoutes(scope, deps));
  await app.register((scope) => noticeRoutes(scope, deps));
}
