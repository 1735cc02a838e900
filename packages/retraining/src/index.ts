import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ReportDeps } from "./read-report.ts";
import { retrainingRoutes } from "./routes/retrainings.ts";

export { completedWithin } from "./completion-store.ts";
export { type ControllerDeps, RetrainingController } from "./controller.ts";
export { type RetrainingErrorCode, retrainingErrors } from "./errors.ts";
export { retrainingFacts } from "./facts-store.ts";
export type {
  Champion,
  FoundRecipe,
  MeasuredPair,
  Permits,
  RetrainingEnded,
  RunCosts,
  Signals,
} from "./ports.ts";
export type { ReportDeps as RetrainingRouteDeps } from "./read-report.ts";
export { retrainingsOver } from "./store.ts";
export { type WatchDeps, watchEndpoints } from "./watch.ts";

export const retrainingMigrations: MigrationSet = {
  package: "retraining",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerRetrainingRoutes(app: FastifyInstance, deps: ReportDeps): Promise<void> {
  await app.register((scope) => retrainingRoutes(scope, deps));
}
