import {
  type ArtifactCatalogue,
  type Authorizer,
  type CallContext,
  type Clock,
  type Environment,
  type KeyRing,
  locate,
  type ObjectStore,
  type PlaceDirectory,
  PortolanError,
  type Transaction,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { addVersion, charterMissing, heldBy, type SignedFile, signFile } from "./add-version.ts";
import { type Lineage, type ModelVersion, modelFileName } from "./contract.ts";
import type { RegistryErrorCode } from "./errors.ts";
import { enqueueMeasurement } from "./measure-version.ts";
import type { CharterLookup, TrainedArtifact, TrainingRecord } from "./ports.ts";
import { enqueueAttestation } from "./provenance/attest-version.ts";

export interface PushDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly charters: CharterLookup;
  readonly runs: TrainingRecord;
  /** Told of every new version in its own transaction, so that others can enqueue what they make of it. */
  readonly created?: (tx: Transaction, version: ModelVersion) => Promise<void>;
}

export interface PushRequest {
  readonly model: string;
  readonly useCaseId: string;
  /** Digest of the ONNX file, uploaded or trained before in that environment for that use case. */
  readonly artifact: string;
  readonly lineage: Lineage;
  /** `dev` registers without a signed charter; such a version leaves dev only once a charter is in force. */
  readonly environment: Environment;
}

/**
 * Registers an immutable, signed version. The same artifact with the same lineage is the same version: pushing it
 * again returns it.
 *
 * @throws PortolanError `registry.artifact_not_found`, `onnx_format.*`, `registry.charter_missing`,
 * `registry.model_owned_elsewhere`, `registry.lineage_unproved`, and what `Authorizer.require` throws.
 */
export async function pushVersion(
  deps: PushDeps,
  call: CallContext,
  named: PushRequest,
): Promise<ModelVersion> {
  const action = named.lineage.origin === "imported" ? "registry:import" : "registry:push_version";
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, action, {
    type: "Model",
    id: named.model,
    organisationId,
    useCaseId: named.useCaseId,
    environment: named.environment,
  });
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const request = { ...named, useCaseId: place.useCaseId ?? named.useCaseId };
  const signed = await signArtifact(deps, call, request, place);
  return deps.work.write(call, async (tx) => {
    const charter = await deps.charters.inForce(tx.sql, request.useCaseId);
    if (!charter && request.environment !== "dev") throw charterMissing(request.useCaseId);
    const proved = await provedLineage(deps, tx, request);
    const lineage: Lineage = charter
      ? { ...proved, charterId: charter.charterId, charterDigest: charter.digest }
      : proved;
    const { environment } = request;
    await deps.artifacts.note(tx, { environment, ...place }, heldBy(signed));
    const version = await addVersion(tx, request, signed, lineage);
    // The same version again was measured when it came first.
    if (version.signedAt !== signed.signedAt) return version;
    await enqueueMeasurement(tx, version, environment);
    if (version.lineage.origin === "trained")
      await enqueueAttestation(tx, version, { environment, cause: "training" });
    await deps.created?.(tx, version);
    return version;
  });
}

/**
 * A version is `trained` when a run of this platform made exactly this artifact; what went into it is then read from the
 * run's record. Of an imported one only the stated source is kept. The charter is added by the registry, never by a caller.
 */
async function provedLineage(deps: PushDeps, tx: Transaction, request: PushRequest): Promise<Lineage> {
  const { origin, source, trainingRunId, features } = request.lineage;
  if (origin === "imported") return { origin, ...(source === undefined ? {} : { source }) };
  const run =
    trainingRunId === undefined
      ? undefined
      : await deps.runs.find(tx.sql, tx.call.actor.organisationId, trainingRunId);
  if (trainingRunId === undefined || run?.model !== request.artifact || isOfOther(run, request.useCaseId)) {
    throw new PortolanError<RegistryErrorCode>("registry.lineage_unproved", {
      detail: `no successful training run ${trainingRunId ?? ""} of this use case made ${request.artifact.slice(0, 80)}`,
      mend: "Name the run that made it, or register it as imported.",
    });
  }
  const { model: _, useCaseId: __, ...used } = run;
  return { origin, trainingRunId, ...used, ...(features === undefined ? {} : { features }) };
}

function isOfOther(run: TrainedArtifact, useCaseId: string): boolean {
  return run.useCaseId !== undefined && run.useCaseId !== useCaseId;
}

/** Reading, checking and signing happen before the transaction: it must not wait for files. */
async function signArtifact(
  deps: PushDeps,
  call: CallContext,
  request: PushRequest,
  place: WorkPlace,
): Promise<SignedFile> {
  const { environment, model } = request;
  const artifact = await deps.artifacts.require(call, request.artifact, { environment, ...place });
  const bytes = await deps.objects.get(artifact);
  const file = { name: modelFileName, digest: artifact, sizeBytes: bytes.length };
  return signFile(deps, model, file, signatureOf(readOnnxModel(bytes)));
}
