import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { type MlflowRouteDeps, mlflowRoutes } from "./routes/mlflow.ts";
import { artifactRoutes } from "./routes/mlflow-artifacts.ts";
import { answerAsMlflow } from "./routes/mlflow-errors.ts";
import { serverRoutes } from "./routes/mlflow-server.ts";
import { trackedDataRoutes } from "./routes/tracked-data.ts";

export { findRunFile } from "./artifacts/artifacts.ts";
export { trackedFileNames } from "./artifacts/file-names.ts";
export { createAddressSigner } from "./artifacts/signed-address.ts";
export {
  type Attempt,
  type AttemptDeps,
  beginAttempt,
  type RunGrant,
  settleRun,
  verifyRunToken,
} from "./attempts.ts";
export { trackingErrors } from "./errors.ts";
export { type ModelSource, readModelSource } from "./models/logged-models.ts";
export { PointWriter } from "./point-writer.ts";
export type { RecordRefusal, RunDirectory, RunOrigin, TrackedRun, UseCaseNames } from "./ports.ts";
export { runOfToken } from "./run-token.ts";
export { loggedTexts } from "./texts-store.ts";
export type { MlflowRouteDeps };

export const trackingMigrations: MigrationSet = {
  package: "tracking",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

/** MLflow's tracking calls alone: all that a trainer may reach. */
export async function registerMlflowRoutes(app: FastifyInstance, deps: MlflowRouteDeps): Promise<void> {
  await app.register((scope) => mlflowRoutes(scope, deps), { prefix: "/api/2.0/mlflow" });
  await app.register(
    async (scope) => {
      answerAsMlflow(scope, deps.catalogue, deps.log);
      await artifactRoutes(scope, deps);
    },
    { prefix: "/api/2.0/mlflow-artifacts" },
  );
  // Nothing is served there: clients are told so in MLflow's words, not in ours.
  await app.register(async (scope) => answerAsMlflow(scope, deps.catalogue, deps.log), {
    prefix: "/api/3.0/mlflow",
  });
}

/** MLflow's tracking calls, and the same data as our own API shows it. */
export async function registerTrackingRoutes(app: FastifyInstance, deps: MlflowRouteDeps): Promise<void> {
  await registerMlflowRoutes(app, deps);
  await app.register((scope) => trackedDataRoutes(scope, deps));
  serverRoutes(app);
}
