import {
  type ArtifactReference,
  type Clock,
  type Digest,
  digestHex,
  digestJson,
  type KeyRing,
  newId,
  type ObjectStore,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import type { ModelSignature as ReadSignature } from "@portolan/onnx-format";
import type { Lineage, ModelSignature, ModelVersion } from "./contract.ts";
import type { RegistryErrorCode } from "./errors.ts";
import { promptFileName } from "./prompt.ts";
import { signFiles } from "./sign-files.ts";
import { findSameVersion, insertVersion, lockModel, type NewVersion, takeVersionNumber } from "./store.ts";

export interface SigningDeps {
  readonly objects: ObjectStore;
  readonly keys: KeyRing;
  readonly clock: Clock;
}

/** Whose version it is. */
export interface VersionOwner {
  readonly model: string;
  readonly useCaseId: string;
}

/** The file of a version, signed, and what lies beside it. */
export interface SignedFile {
  readonly artifact: Digest;
  readonly sizeBytes: number;
  /** Of a text version that has one: signed beside its description. */
  readonly prompt?: Digest;
  readonly bundle: Digest;
  readonly keyId: string;
  readonly signedAt: number;
  readonly signature: ModelSignature;
}

/**
 * Signs a version's file under the current model key.
 * @param file its name in the signed folder, its stored bytes by digest; `prompt`: of the one beside it
 * @param signature what the model takes and gives
 */
export async function signFile(
  deps: SigningDeps,
  model: string,
  file: {
    readonly name: string;
    readonly digest: Digest;
    readonly sizeBytes: number;
    readonly prompt?: Digest;
  },
  { inputs, outputs }: Pick<ReadSignature, "inputs" | "outputs">,
): Promise<SignedFile> {
  const { prompt } = file;
  const signed = await signFiles(deps, model, [
    { name: file.name, sha256: digestHex(file.digest) },
    ...(prompt === undefined ? [] : [{ name: promptFileName, sha256: digestHex(prompt) }]),
  ]);
  const bundle = await deps.objects.put(signed.bundle);
  const plain = ({ name, datatype, shape }: ReadSignature["inputs"][number]) => ({
    name,
    datatype,
    shape: [...shape],
  });
  return {
    artifact: file.digest,
    sizeBytes: file.sizeBytes,
    ...(prompt === undefined ? {} : { prompt }),
    bundle,
    keyId: signed.keyId,
    signedAt: signed.signedAt,
    signature: { inputs: inputs.map(plain), outputs: outputs.map(plain) },
  };
}

/** What a place holds with a version: the model, its prompt where it has one, and its signature bundle. */
export function heldBy(version: {
  readonly artifact: string;
  readonly prompt?: string | undefined;
  readonly bundle: string;
}): ArtifactReference[] {
  const { artifact, prompt } = version;
  return [
    { digest: artifact, kind: "model" },
    ...(prompt === undefined ? [] : [{ digest: prompt, kind: "model" as const }]),
    { digest: version.bundle, kind: "signature" },
  ];
}

/** Adds a signed version, or finds the same one. */
export async function addVersion(
  tx: Transaction,
  request: VersionOwner,
  signed: SignedFile,
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
      ...(signed.prompt === undefined ? {} : { prompt: signed.prompt }),
    },
  });
  return created;
}

function versionRow(
  tx: Transaction,
  request: VersionOwner,
  signed: SignedFile,
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
