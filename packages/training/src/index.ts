import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { trainingRunRoutes } from "./routes/training-runs.ts";
import type { TrainingDeps } from "./training-runs.ts";

export { overdueCheckpoints } from "./attempt-store.ts";
export {
  type BackendOutcome,
  type BackendTask,
  type RemoteTrainingBackend,
  type RemoteUse,
  stopTrainerIntent,
} from "./backend.ts";
export type { TrainingRunRequest, TrainingRunResult, TrainingRunView } from "./contract.ts";
export {
  type EnvironmentDeps,
  ensureEnvironment,
  findPython,
} from "./environment.ts";
export { type TrainingErrorCode, trainingErrors } from "./errors.ts";
export { trainingFacts } from "./facts-store.ts";
export { installEnvironmentOf } from "./install-environment.ts";
export { findIsolation, type Isolation } from "./isolation.ts";
export { normaliseLock } from "./lock-file.ts";
export { runObjectNames } from "./names-store.ts";
export type { BaseModel, BaseModels, CharterGate, RemoteTracking, RunTracking } from "./ports.ts";
export { type Python, type PythonMinor, pythonMinors } from "./python.ts";
export { type StartHindrance, startHindrances } from "./start-hindrances.ts";
export { findRun, microsTrained } from "./store.ts";
export { lastLines, metricsOf, mostMetricsBytes } from "./trainer-output.ts";
export { runProgram, runTrainer } from "./trainer-process.ts";
export {
  noSuchRun,
  readTrainingRun,
  startTrainingRun,
  type TrainingDeps,
  trainingJob,
  trainingQueue,
} from "./training-runs.ts";
export { runsUnderWay } from "./under-way-store.ts";
export { timeWorked, timeWorkedOn } from "./worked-time-store.ts";

export const trainingMigrations: MigrationSet = {
  package: "training",
  directory: new URL("../migrations/", import.meta.url),
  after: ["features"],
};

export async function registerTrainingRoutes(app: FastifyInstance, deps: TrainingDeps): Promise<void> {
  await app.register((scope) => trainingRunRoutes(scope, deps));
}
