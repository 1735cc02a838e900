import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { AlertDeps } from "./alerts/alerts.ts";
import type { IncidentDeps } from "./incidents/incidents.ts";
import type { PerformanceDeps } from "./performance/read-performance.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { type DriftRouteDeps, driftRoutes } from "./routes/drift.ts";
import { incidentRoutes } from "./routes/incidents.ts";
import { type ObjectiveDeps, objectiveRoutes } from "./routes/objectives.ts";
import { performanceRoutes } from "./routes/performance.ts";
import { timelineRoutes } from "./routes/timeline.ts";
import type { TimelineDeps } from "./timeline/read-timeline.ts";

export { type AcceptDriftDeps, acceptDrift } from "./accept-delivery.ts";
export { type EndpointStopper, type StopDeps, stopJob } from "./alerts/alert-consequence.ts";
export type { AlertDeps } from "./alerts/alerts.ts";
export { type AlertSender, alertJob, type OutgoingAlert, repeatDeliveries } from "./alerts/deliver-alert.ts";
export { PerformanceWatch, watchDrift } from "./alerts/watch.ts";
export { type IdleWork, type IdleWorkFact, watchIdleWork } from "./alerts/watch-idle-work.ts";
export { forgetCounts, type WatchedObjectives, watchObjectives } from "./alerts/watch-objectives.ts";
export { type OverdueReviews, type ReviewQueue, watchReviews } from "./alerts/watch-reviews.ts";
export { type Spending, type SpendingFact, watchSpending } from "./alerts/watch-spending.ts";
export { driftFigures, type SeriesFigures } from "./drift-figures.ts";
export { type MonitoringErrorCode, monitoringErrors } from "./errors.ts";
export { monitoringFacts } from "./facts-store.ts";
export { keepMachineMinutes } from "./machine/keep-machine-minutes.ts";
export { MachineMinutes, type MachineSample } from "./machine/machine-minutes.ts";
export {
  notProfilable,
  type ProfileDeps,
  profileJob,
  profileQueue,
  profileTrained,
  startProfile,
} from "./make-profile.ts";
export { countBlockRequests } from "./objectives/count-blocks.ts";
export { type EndpointLoad, endpointLoad, requestsByHour } from "./objectives/load-store.ts";
export { type LifecycleDeps, lifecycleEvents } from "./objectives/read-lifecycle.ts";
export {
  type ColumnReader,
  type PerformanceBounds,
  type PerformanceDeps,
  readPerformance,
  reportOfOrganisation,
} from "./performance/read-performance.ts";
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
export type { DriftRouteDeps, IncidentDeps, ObjectiveDeps, TimelineDeps };

/** What each group of routes needs. */
export interface MonitoringRouteDeps {
  readonly drift: DriftRouteDeps;
  readonly performance: PerformanceDeps;
  readonly alerts: AlertDeps;
  readonly incidents: IncidentDeps;
  readonly objectives: ObjectiveDeps;
  readonly timeline: TimelineDeps;
}

export const monitoringMigrations: MigrationSet = {
  package: "monitoring",
  directory: new URL("../migrations/", import.meta.url),
  after: ["features", "predictions"],
};

export async function registerMonitoringRoutes(
  app: FastifyInstance,
  { drift, performance, alerts, incidents, objectives, timeline }: MonitoringRouteDeps,
): Promise<void> {
  await app.register((scope) => driftRoutes(scope, drift));
  await app.register((scope) => performanceRoutes(scope, performance));
  await app.register((scope) => alertRoutes(scope, alerts));
  await app.register((scope) => incidentRoutes(scope, incidents));
  await app.register((scope) => objectiveRoutes(scope, objectives));
  await app.register((scope) => timelineRoutes(scope, timeline));
}
