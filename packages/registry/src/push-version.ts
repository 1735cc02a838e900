import {
  type ArtifactCatalogue,
  type ArtifactReference,
  type Authorizer,
  type CallContext,
  type Clock,
  type Digest,
  digestHex,
  digestJson,
  type Environment,
  type KeyRing,
  locate,
  newId,
  type ObjectStore,
  type PlaceDirectory,
  PortolanError,
  type Transaction,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { type Lineage, type ModelSignature, type ModelVersion, modelFileName } from "./contract.ts";
import type { RegistryErrorCode } from "./errors.ts";
import { enqueueMeasurement } from "./measure-version.ts";
import type { CharterLookup, TrainedArtifact, TrainingRecord } from "./ports.ts";
import { signFiles } from "./sign-files.ts";
import { findSameVersion, insertVersion, lockModel, type NewVersion, takeVersionNumber } from "./store.ts";

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
    return addVersion(deps, tx, request, signed, lineage);
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

interface SignedArtifact {
  readonly artifact: Digest;
  readonly sizeBytes: number;
  readonly bundle: Digest;
  readonly keyId: string;
  readonly signedAt: number;
  readonly signature: ModelSignature;
}

/** Reading, checking and signing happen before the transaction: it must not wait for files. */
async function signArtifact(
  deps: PushDeps,
  call: CallContext,
  request: PushRequest,
  place: WorkPlace,
): Promise<SignedArtifact> {
  const { environment } = request;
  const artifact = await deps.artifacts.require(call, request.artifact, { environment, ...place });
  const bytes = await deps.objects.get(artifact);
  const signature = signatureOf(readOnnxModel(bytes));
  const signed = await signFiles(deps, request.model, [{ name: modelFileName, sha256: digestHex(artifact) }]);
  return {
    artifact,
    sizeBytes: bytes.length,
    bundle: await deps.objects.put(signed.bundle),
    keyId: signed.keyId,
    signedAt: signed.signedAt,
    signature: {
      inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
      outputs: signature.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
    },
  };
}

/** What a place holds with a version: the model and its signature bundle. */
export function heldBy(version: { readonly artifact: string; readonly bundle: string }): ArtifactReference[] {
  return [
    { digest: version.artifact, kind: "model" },
    { digest: version.bundle, kind: "signature" },
  ];
}

async function addVersion(
  { created: announce }: Pick<PushDeps, "created">,
  tx: Transaction,
  request: PushRequest,
  signed: SignedArtifact,
  lineage: Lineage,
): Promise<ModelVersion> {
  const organisationId = tx.call.actor.organisationId;
  const owner = { organisationId, name: request.model, useCaseId: request.useCaseId, now: tx.now };
  const lineageDigest = digestJson(lineage);
  const useCaseId = await lockModel(tx.sql, owner);
  if (useCaseId !== request.useCaseId) {
    throw new PortolanError<RegistryErrorCode>("registry.model_owned_elsewhere", {
      detail: `the name ${request.model} is taken by another use case`,
      mend: "Choose another model name.",
    });
  }
  const identity = { organisationId, model: request.model, artifact: signed.artifact, lineageDigest };
  const same = await findSameVersion(tx.sql, identity);
  if (same) {
    await tx.record({ event: "registry.version.confirmed", subject: same.id, after: signed.artifact });
    return same;
  }
  const version = await takeVersionNumber(tx.sql, organisationId, request.model);
  const created = await insertVersion(tx.sql, versionRow(tx, request, signed, lineage), version);
  await tx.record({
    event: "registry.version.created",
    subject: created.id,
    after: signed.artifact,
    detail: {
      model: request.model,
      version,
      bundle: signed.bundle,
      signingKey: signed.keyId,
      lineage: lineageDigest,
    },
  });
  await enqueueMeasurement(tx, created, request.environment);
  await announce?.(tx, created);
  return created;
}

function versionRow(
  tx: Transaction,
  request: PushRequest,
  signed: SignedArtifact,
  lineage: Lineage,
): NewVersion {
  return {
    id: newId("modelVersion", tx.now),
    organisation_id: tx.call.actor.organisationId,
    model: request.model,
    use_case_id: request.useCaseId,
    artifact: signed.artifact,
    size_bytes: signed.sizeBytes,
    bundle: signed.bundle,
    signing_key_id: signed.keyId,
    signed_at: signed.signedAt,
    signature: signed.signature,
    lineage,
    lineage_digest: digestJson(lineage),
    created_by: tx.call.actor.id,
    created_at: tx.now,
  };
}

export function charterMissing(useCaseId: string): PortolanError {
  return new PortolanError<RegistryErrorCode>("registry.charter_missing", {
    detail: `use case ${useCaseId} has no charter in force`,
    mend: "Submit its charter.yaml and have the required roles sign it (portolan sign), or work in the dev environment.",
  });
}
