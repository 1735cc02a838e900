import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ReadRecordDeps } from "./provenance/read-record.ts";
import { artifactRoutes } from "./routes/artifacts.ts";
import { attestationRoutes } from "./routes/attestations.ts";
import { type RegistryDeps as ModelDeps, modelRoutes } from "./routes/models.ts";
import { recordRoutes } from "./routes/records.ts";

export { createArtifactCatalogue } from "./artifacts.ts";
export type { Lineage, ModelSignature, ModelVersion } from "./contract.ts";
export { registryErrors } from "./errors.ts";
export { registryFacts, versionIdsOf, wasPromoted } from "./facts-store.ts";
export { type ComputeMeasurer, type MeasureDeps, measureJob } from "./measure-version.ts";
export type { LoggedModel, RegisterDeps } from "./mlflow/register-logged.ts";
export type {
  CharterLookup,
  GateEvidence,
  GoverningCharter,
  TrainedArtifact,
  TrainingRecord,
  UpstreamProbe,
  UpstreamRegistrant,
  VersionSources,
} from "./ports.ts";
export { promoteVersion, readPromoted, readVersion, speechOf } from "./promote-version.ts";
export { type AttestDeps, attestJob, enqueueAttestation } from "./provenance/attest-version.ts";
export { findReleaseAttestations } from "./provenance/attestation-store.ts";
export { readAttestation, readAttestations, requestAttestation } from "./provenance/read-attestations.ts";
export { pushVersion } from "./push-version.ts";
export { readComputeProfile } from "./read-compute-profile.ts";
export { registerUpstream } from "./register-upstream.ts";
export { createByteRemoval } from "./remove-bytes.ts";
export { mlflowRegistryRoutes } from "./routes/mlflow-registry.ts";
export { type SealedStatement, signFiles } from "./sign-files.ts";
export {
  findComputeProfile,
  findLoadedBytes,
  findVersion,
  listVersions,
  trainingRunOf,
  versionsTrainedOn,
} from "./store.ts";
/** What the routes of models, artifacts and evidence need. */
export type RegistryDeps = ModelDeps & ReadRecordDeps;

export const registryMigrations: MigrationSet = {
  package: "registry",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerRegistryRoutes(app: FastifyInstance, deps: RegistryDeps): Promise<void> {
  await app.register((scope) => artifactRoutes(scope, deps));
  await app.register((scope) => modelRoutes(scope, deps));
  await app.register((scope) => attestationRoutes(scope, deps));
  await app.register((scope) => recordRoutes(scope, deps));
}
