import {
  type ArtifactCatalogue,
  type Authorizer,
  type CallContext,
  canonicalBytes,
  type Digest,
  digestHex,
  type JobHandler,
  type JobRun,
  type JsonObject,
  type ObjectStore,
  PortolanError,
  parseDigest,
  requireSeen,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { Type, Value } from "@portolan/typebox";
import { cellCount } from "./cells.ts";
import { mostCells, type ReferenceProfile } from "./contract.ts";
import type { MonitoringErrorCode } from "./errors.ts";
import type { EvidenceSigner, ProfiledVersion, ProfiledVersions, Profiler } from "./ports.ts";
import { findReferenceSet, insertProfile, type ReferenceSet } from "./store.ts";

export const profileQueue = "monitoring.reference_profile";
/** Name of the profile beside the model in the signed statement. */
export const profileFileName = "reference-profile.json";
const modelFileName = "model.onnx";

export interface ProfileDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly versions: ProfiledVersions;
  readonly profiler: Profiler;
  readonly signer: EvidenceSigner;
}

export interface ProfileAsked {
  readonly model: string;
  readonly version: number;
  /** Absent: the set that the platform trained the version on. */
  readonly trainingSetId?: string;
}

/**
 * Starts making a version's reference profile; resolves to the job's id.
 *
 * @throws PortolanError `monitoring.not_profilable` when no set is named and none is known, and 404s
 */
export async function startProfile(
  deps: ProfileDeps,
  call: CallContext,
  asked: ProfileAsked,
): Promise<string> {
  const version = await deps.versions.find(call, asked.model, asked.version);
  const set = await requireSet(deps, call, version, asked.trainingSetId);
  const { useCaseId } = version;
  const { environment } = set;
  await deps.authorizer.require(call, "evaluation:run", {
    type: "Model",
    id: asked.model,
    organisationId: call.actor.organisationId,
    useCaseId,
    environment,
  });
  return deps.work.write(call, async (tx) => {
    const job = await enqueueProfile(tx, version, set);
    await tx.record({
      event: "monitoring.reference_profile.started",
      subject: version.id,
      detail: { job, trainingSet: set.id },
    });
    return job;
  });
}

/** A version that the platform trained is profiled on what it was trained on, without anybody asking. */
export async function profileTrained(tx: Transaction, version: ProfiledVersion): Promise<void> {
  const { organisationId } = tx.call.actor;
  const { trainingSetId: id } = version;
  const set = id === undefined ? undefined : await findReferenceSet(tx.sql, organisationId, id);
  if (set) await enqueueProfile(tx, version, set);
}

function enqueueProfile(tx: Transaction, version: ProfiledVersion, set: ReferenceSet): Promise<string> {
  const { model, version: number, id, useCaseId } = version;
  return tx.enqueue({
    queue: profileQueue,
    payload: { model, version: number, trainingSetId: set.id },
    key: `${id} ${set.id}`,
    place: { environment: set.environment, useCaseId },
  });
}

/** The rows that the version is held against. What the caller may not see does not exist. */
async function requireSet(
  deps: ProfileDeps,
  call: CallContext,
  version: ProfiledVersion,
  named: string | undefined,
): Promise<ReferenceSet> {
  const id = named ?? version.trainingSetId;
  if (id === undefined)
    throw notProfilable(
      "the version was trained elsewhere, and no training set of this platform is named",
      "Name one that holds its inputs: portolan model profile NAME VERSION --reference ts_….",
    );
  const { organisationId } = call.actor;
  const missing = () =>
    notProfilable(`there is no ready training set ${id}`, "See GET /v1/training-sets/ID.");
  const set = await deps.work.read(call, (sql) => findReferenceSet(sql, organisationId, id));
  if (!set) throw missing();
  const { environment } = set;
  const owner = set.useCaseId === undefined ? {} : { useCaseId: set.useCaseId };
  const resource = { type: "TrainingSet", id, organisationId, environment, ...owner };
  await requireSeen(deps.authorizer, call, { action: "features:read_training_set", resource }, missing);
  if (set.useCaseId !== undefined && set.useCaseId !== version.useCaseId)
    throw notProfilable(
      `the training set ${id} belongs to another use case`,
      "Name one of the version's own.",
    );
  return set;
}

const ProfilePayload = Type.Object({
  model: Type.String(),
  version: Type.Integer(),
  trainingSetId: Type.String(),
});

/** Looks at the rows in another process; profile, signature and ledger row become visible together. */
export function profileJob(deps: ProfileDeps): JobHandler {
  return { queue: profileQueue, retries: 1, run: (job) => runProfile(deps, job) };
}

async function runProfile(deps: ProfileDeps, job: JobRun): Promise<JsonObject> {
  const { model, version: number, trainingSetId } = Value.Parse(ProfilePayload, job.payload);
  const version = await deps.versions.find(job.call, model, number);
  const set = await requireSet(deps, job.call, version, trainingSetId);
  const made = await job.effect("profile", () => makeProfile(deps, job, version, set));
  return job.step("publish", (tx) => publish(deps, tx, { version, set, made }));
}

interface Made extends JsonObject {
  readonly profile: string;
  readonly sizeBytes: number;
  readonly cells: number;
  readonly columns: number;
  readonly skipped: string[];
  readonly bundle: string;
  readonly keyId: string;
  readonly signedAt: number;
}

async function makeProfile(
  deps: ProfileDeps,
  job: JobRun,
  version: ProfiledVersion,
  set: ReferenceSet,
): Promise<Made> {
  const dataset = parseDigest(set.object);
  if (!dataset) throw new PortolanError("kernel.internal", { detail: `${set.id} names no object` });
  const found = await deps.profiler.profile(
    { model: version.artifact, dataset, features: set.features },
    job.signal,
  );
  const { rows, rowsOfSet, sampledEvery, inputs, outputs, skipped } = found;
  const cells = [...inputs, ...outputs].reduce((sum, column) => sum + cellCount(column), 0);
  if (cells > mostCells)
    throw notProfilable(`${cells} cells are more than ${mostCells}`, "Models of fewer columns are watched.");
  const profile: ReferenceProfile = {
    format: 1,
    model: { name: version.model, version: version.version, digest: version.artifact },
    data: { trainingSetId: set.id, digest: dataset, rows: rowsOfSet, sampledEvery },
    rows,
    inputs,
    outputs,
    skipped,
  };
  const bytes = canonicalBytes(profile);
  const digest = await deps.objects.put(bytes);
  const signed = await deps.signer.sign(version.model, [
    { name: modelFileName, sha256: digestHex(version.artifact) },
    { name: profileFileName, sha256: digestHex(digest) },
  ]);
  return {
    profile: digest,
    sizeBytes: bytes.length,
    cells,
    columns: inputs.length + outputs.length,
    skipped,
    bundle: await deps.objects.put(signed.bundle),
    keyId: signed.keyId,
    signedAt: signed.signedAt,
  };
}

async function publish(
  { artifacts }: ProfileDeps,
  tx: Transaction,
  {
    version,
    set,
    made,
  }: { readonly version: ProfiledVersion; readonly set: ReferenceSet; readonly made: Made },
): Promise<JsonObject> {
  const { environment } = set;
  await artifacts.note(tx, { environment, useCaseId: version.useCaseId }, [
    { digest: made.profile, kind: "reference_profile" },
    { digest: made.bundle, kind: "signature" },
  ]);
  await insertProfile(tx.sql, {
    organisation_id: tx.call.actor.organisationId,
    version_id: version.id,
    model: version.model,
    version: version.version,
    digest: made.profile,
    size_bytes: made.sizeBytes,
    bundle: made.bundle,
    signing_key_id: made.keyId,
    signed_at: made.signedAt,
    cells: made.cells,
    training_set_id: set.id,
    created_by: tx.call.actor.id,
    created_at: tx.now,
  });
  await tx.record({
    event: "monitoring.reference_profile.published",
    subject: version.id,
    after: made.profile as Digest,
    detail: { trainingSet: set.id, bundle: made.bundle, columns: made.columns, skipped: made.skipped.length },
  });
  return { profile: made.profile, columns: made.columns, skipped: made.skipped };
}

export function notProfilable(detail: string, mend: string): PortolanError<MonitoringErrorCode> {
  return new PortolanError("monitoring.not_profilable", { detail, mend });
}
