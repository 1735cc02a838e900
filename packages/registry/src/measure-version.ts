import {
  type ArtifactCatalogue,
  type CallContext,
  type Clock,
  canonicalBytes,
  type Digest,
  digestHex,
  type Environment,
  type JobHandler,
  type JobRun,
  type JsonObject,
  type KeyRing,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { ComputeProfile } from "./compute-profile.ts";
import { type ModelVersion, modelFileName } from "./contract.ts";
import { signFiles } from "./sign-files.ts";
import { findVersion, insertComputeProfile } from "./store.ts";

export const measureQueue = "registry.measure";
/** Name of the profile beside the model in the signed statement. */
export const computeProfileFileName = "compute-profile.json";

/** Loads a model and runs it behind walls. Implemented by the app over `onnx`. */
export interface ComputeMeasurer {
  /** @throws PortolanError when the model cannot be loaded or run */
  measure(model: Digest, signal: AbortSignal): Promise<ComputeProfile>;
}

export interface MeasureDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly measurer: ComputeMeasurer;
}

/** Every new version is measured, without anybody asking. */
export async function enqueueMeasurement(
  tx: Transaction,
  { id, model, version, useCaseId }: ModelVersion,
  environment: Environment,
): Promise<void> {
  await tx.enqueue({
    queue: measureQueue,
    payload: { model, version, environment },
    key: id,
    place: { environment, useCaseId },
  });
}

/** Measures in another process; profile, signature and ledger row become visible together. */
export function measureJob(deps: MeasureDeps): JobHandler {
  return { queue: measureQueue, retries: 1, run: (job) => runMeasurement(deps, job) };
}

async function runMeasurement(deps: MeasureDeps, job: JobRun): Promise<JsonObject> {
  const { model, version: number } = job.payload as { model: string; version: number };
  const environment = job.payload["environment"] as Environment;
  const version = await readMeasured(deps, job.call, model, number);
  const artifact = parseDigest(version.artifact);
  if (!artifact) throw new PortolanError("kernel.internal", { detail: `${version.id} has no artifact` });
  const made = await job.effect("measure", async () => {
    const profile = await deps.measurer.measure(artifact, job.signal);
    const digest = await deps.objects.put(canonicalBytes(profile));
    const signed = await signFiles(deps, model, [
      { name: modelFileName, sha256: digestHex(artifact) },
      { name: computeProfileFileName, sha256: digestHex(digest) },
    ]);
    const bundle = await deps.objects.put(signed.bundle);
    return { digest, profile: { ...profile }, bundle, keyId: signed.keyId, signedAt: signed.signedAt };
  });
  return job.step("publish", async (tx) => {
    const { digest, bundle } = made;
    await deps.artifacts.note(tx, { environment, useCaseId: version.useCaseId }, [
      { digest, kind: "compute_profile" },
      { digest: bundle, kind: "signature" },
    ]);
    await insertComputeProfile(tx.sql, {
      version_id: version.id,
      digest,
      profile: made.profile,
      bundle,
      signing_key_id: made.keyId,
      signed_at: made.signedAt,
      measured_at: tx.now,
    });
    await tx.record({
      event: "registry.version.measured",
      subject: version.id,
      after: digest,
      detail: { bundle, p95Micros: made.profile.single.p95Micros, peakBytes: made.profile.memory.peakBytes },
    });
    return { profile: digest };
  });
}

async function readMeasured(
  deps: MeasureDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<ModelVersion> {
  const { organisationId } = call.actor;
  const found = await deps.work.read(call, (sql) => findVersion(sql, organisationId, model, version));
  if (!found)
    throw new PortolanError("registry.version_not_found", { detail: `there is no ${model}/${version}` });
  return found;
}
