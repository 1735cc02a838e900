import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { type DriftRouteDeps, driftRoutes } from "./routes/drift.ts";

export { type AcceptDriftDeps, acceptDrift } from "./accept-delivery.ts";
export { driftFigures, type SeriesFigures } from "./drift-figures.ts";
export { type MonitoringErrorCode, monitoringErrors } from "./errors.ts";
export {
  notProfilable,
  type ProfileDeps,
  profileJob,
  profileQueue,
  profileTrained,
  startProfile,
} from "./make-profile.ts";
export type {
  EvidenceSigner,
  ProfiledData,
  ProfiledVersion,
  ProfiledVersions,
  ProfileRequest,
  Profiler,
} from "./ports.ts";
export { readDrift } from "./read-drift.ts";
export { readDriftReport } from "./read-drift-report.ts";
export { findProfiles } from "./store.ts";
export type { DriftRouteDeps };

export const monitoringMigrations: MigrationSet = {
  package: "monitoring",
  directory: new URL("../migrations/", import.meta.url),
  after: ["features"],
};

export async function registerMonitoringRoutes(app: FastifyInstance, deps: DriftRouteDeps): Promise<void> {
  await app.register((scope) => driftRoutes(scope, deps));
}
