import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ContractDeps } from "./contracts.ts";
import type { IngestionDeps } from "./ingestions.ts";
import { contractRoutes } from "./routes/contracts.ts";
import { ingestionRoutes } from "./routes/ingestions.ts";

export type { AnalysisEngine, AnalysisRequest, AnalysisResult } from "./analysis.ts";
export { type ContractDeps, publishContract } from "./contracts.ts";
export { dataErrors } from "./errors.ts";
export { ingestJob } from "./ingest-job.ts";
export { type IngestionDeps, ingestQueue, startIngestion } from "./ingestions.ts";
export type { ResidencyCheck } from "./ports.ts";
export { readQuarantine } from "./quarantine.ts";
export type { SourceFile, SourceFormat } from "./source-plan.ts";
export { type ContractTrial, type TrialReport, tryContract } from "./try-contract.ts";

export const dataMigrations: MigrationSet = {
  package: "data",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type DataDeps = ContractDeps & IngestionDeps;

export async function registerDataRoutes(app: FastifyInstance, deps: DataDeps): Promise<void> {
  await app.register((scope) => contractRoutes(scope, deps));
  await app.register((scope) => ingestionRoutes(scope, deps));
}
