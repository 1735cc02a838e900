import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { FlagDeps } from "./flags/set-flag.ts";
import type { ReportDeps } from "./report-events.ts";
import { flagRoutes } from "./routes/flags.ts";
import { releaseRoutes } from "./routes/releases.ts";

export { rollBackRelease } from "./change-release.ts";
export {
  type ControllerDeps,
  controllerId as releaseControllerId,
  type ReleaseController,
  startReleaseController,
} from "./controller.ts";
export { type CountDeps, countBlocks } from "./count-blocks.ts";
export { type RolloutErrorCode, rolloutErrors } from "./errors.ts";
export { rolloutFacts } from "./facts-store.ts";
export { flagsInForce } from "./flags/read-flags.ts";
export type {
  Endpoints,
  Predictions,
  ReleaseCharters,
  ReleasedEndpoint,
  ReleaseEnded,
  ReleaseTerms,
} from "./ports.ts";
export { readRelease, readReleases } from "./read-releases.ts";
export { startRelease } from "./start-release.ts";
export { candidateAt, findRelease, releasesOver } from "./store.ts";
export type RolloutRouteDeps = ReportDeps & FlagDeps;

export const rolloutMigrations: MigrationSet = {
  package: "rollout",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerRolloutRoutes(app: FastifyInstance, deps: RolloutRouteDeps): Promise<void> {
  await app.register((scope) => releaseRoutes(scope, deps));
  await app.register((scope) => flagRoutes(scope, deps));
}
