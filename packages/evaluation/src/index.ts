import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { EvaluationDeps } from "./evaluate-version.ts";
import { evaluationRoutes } from "./routes/evaluations.ts";

export { evaluationErrors } from "./errors.ts";
export { type EvaluationDeps, evaluationJob, evaluationQueue, startEvaluation } from "./evaluate-version.ts";
export type { AccuracyLookup, EvaluatedVersion, ScoreRequest, Scorer, VersionLookup } from "./ports.ts";
export { latestEvidence } from "./store.ts";

export const evaluationMigrations: MigrationSet = {
  package: "evaluation",
  directory: new URL("../migrations/", import.meta.url),
  after: ["features"],
};

export async function registerEvaluationRoutes(app: FastifyInstance, deps: EvaluationDeps): Promise<void> {
  await app.register((scope) => evaluationRoutes(scope, deps));
}
