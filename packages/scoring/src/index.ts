import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { scoringRoutes } from "./routes/scorings.ts";
import type { ScoringDeps } from "./start-scoring.ts";

export { assumedOfScoring } from "./admit-scoring.ts";
export { type ScoringErrorCode, scoringErrors } from "./errors.ts";
export { mergeChunks } from "./merge-chunks.ts";
export type {
  ChunkRequest,
  ChunkScorer,
  CpuPrices,
  PinnedVersion,
  ScoredChunk,
  ScoringTarget,
  ScoringTargets,
  TargetResource,
  UpstreamTerms,
  UpstreamUse,
} from "./ports.ts";
export { scoredRows } from "./scored-access.ts";
export { listScored, type ScoredObject, withdrawScored } from "./scored-rows.ts";
export { scoringJob } from "./scoring-job.ts";
export {
  listScorings,
  planScoring,
  readScoring,
  requireStillAllowed,
  type ScoringDeps,
  scoringQueue,
  startScoring,
  unknownTarget,
} from "./start-scoring.ts";
export { findRun } from "./store.ts";
export { type BatchUse, batchUse } from "./use-store.ts";

export const scoringMigrations: MigrationSet = {
  package: "scoring",
  directory: new URL("../migrations/", import.meta.url),
  after: ["data", "features"],
};

export async function registerScoringRoutes(app: FastifyInstance, deps: ScoringDeps): Promise<void> {
  await app.register((scope) => scoringRoutes(scope, deps));
}
