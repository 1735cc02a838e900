import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { artifactRoutes } from "./routes/artifacts.ts";
import { modelRoutes, type RegistryDeps } from "./routes/models.ts";

export { createArtifactCatalogue } from "./artifacts.ts";
export type { Lineage, ModelSignature, ModelVersion } from "./contract.ts";
export { registryErrors } from "./errors.ts";
export { type ComputeMeasurer, type MeasureDeps, measureJob } from "./measure-version.ts";
export type {
  CharterLookup,
  GateEvidence,
  GoverningCharter,
  TrainedArtifact,
  TrainingRecord,
  UpstreamProbe,
  UpstreamRegistrant,
} from "./ports.ts";
export { promoteVersion, readPromoted, readVersion, speechOf } from "./promote-version.ts";
export { pushVersion } from "./push-version.ts";
export { readComputeProfile } from "./read-compute-profile.ts";
export { registerUpstream } from "./register-upstream.ts";
export { createByteRemoval } from "./remove-bytes.ts";
export { type SignedFiles, signFiles } from "./sign-files.ts";
export { findLoadedBytes, findVersion, versionsTrainedOn } from "./store.ts";
export type { RegistryDeps };

export const registryMigrations: MigrationSet = {
  package: "registry",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerRegistryRoutes(app: FastifyInstance, deps: RegistryDeps): Promise<void> {
  await app.register((scope) => artifactRoutes(scope, deps));
  await app.register((scope) => modelRoutes(scope, deps));
}
