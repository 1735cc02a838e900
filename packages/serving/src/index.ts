import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { DeployDeps } from "./deploy-endpoint.ts";
import { endpointRoutes } from "./routes/endpoints.ts";
import { gatewayRoutes } from "./routes/gateways.ts";
import { haltRoutes } from "./routes/halts.ts";
import { type SnapshotRouteDeps, snapshotRoutes } from "./routes/snapshots.ts";
import { sunsetRoutes } from "./routes/sunsets.ts";
import type { SunsetDeps } from "./sunsets/announce-sunset.ts";

export { checkDeployment, type DeployDeps, deployEndpoint, publishIntent } from "./deploy-endpoint.ts";
export { askingBounds, requireServable } from "./derive-route.ts";
export { displaceForAlert, restoreAfterAlert } from "./displacements/displace-for-alert.ts";
export { type ServingErrorCode, servingErrors } from "./errors.ts";
export { endpointsOf, servingFacts } from "./facts-store.ts";
export { type Filling, findFillings } from "./find-fillings.ts";
export { findServedRoute, requireNotStopped } from "./find-served-route.ts";
export { listGateways } from "./gateway-store.ts";
export { type AlertHaltDeps, haltForAlert, resumeAfterAlert } from "./halts/halt-for-alert.ts";
export type * from "./ports.ts";
export { type NamedVersion, namedVersions, servingConfig } from "./serving-config.ts";
export {
  createSnapshotPublisher,
  type PublishDeps,
  type SnapshotPublisher,
} from "./snapshot/publish-snapshot.ts";
export type { PartRefusal } from "./snapshot/refusals.ts";
export { type Deployed, deploymentsNaming, findDeployed, findDeployment, listDeployed } from "./store.ts";
export { announcedEndOf } from "./sunsets/sunset-store.ts";
export { requireUpstreamPlace } from "./upstream-places.ts";

export const servingMigrations: MigrationSet = {
  package: "serving",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type ServingRouteDeps = DeployDeps & SnapshotRouteDeps & SunsetDeps;

/** Endpoints, gateways, and the snapshots that gateways pull. */
export async function registerServingRoutes(app: FastifyInstance, deps: ServingRouteDeps): Promise<void> {
  await endpointRoutes(app, deps);
  await haltRoutes(app, deps);
  await sunsetRoutes(app, deps);
  await gatewayRoutes(app, deps);
  await snapshotRoutes(app, deps);
}
