import {
  type CallContext,
  canonicalBytes,
  type Environment,
  type JsonObject,
  locate,
  parseDigest,
} from "@portolan/kernel";
import { addVersion, charterMissing, heldBy, signFile } from "../add-version.ts";
import { keptFilesName, type Lineage, type ModelVersion, modelFileName } from "../contract.ts";
import { type PushDeps, pushVersion } from "../push-version.ts";
import { listModelNames, putVersionNotes, readVersionNotes, type Tag } from "./names-store.ts";
import {
  invalid,
  mergeTags,
  type NameDeps,
  type NotedVersion,
  readNotedVersion,
} from "./registered-models.ts";

/** A logged model with its files; `tracking` has them. */
export interface LoggedModel {
  readonly id: string;
  readonly runId: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** Where its files are, in MLflow's words. */
  readonly root: string;
  readonly isReady: boolean;
  readonly files: readonly { readonly path: string; readonly digest: string; readonly sizeBytes: number }[];
}

export interface RegisterDeps extends NameDeps, PushDeps {
  readonly loggedModels: {
    /** @throws PortolanError 404 when there is none, or the caller may not read its run */
    find(call: CallContext, id: string): Promise<LoggedModel>;
  };
}

export interface RegisterRequest {
  readonly model: string;
  /** `models:/m-…`, or the place of a logged model's files. */
  readonly source: string;
  readonly loggedModelId?: string;
  readonly description: string;
  readonly tags: readonly Tag[];
}

/**
 * Registers a version from a logged model that is ready, in the environment of its run. One with a `model.onnx` is a version like any other; of
 * one without, the list of its files is signed: it is kept and loaded by MLflow's clients, and never promoted. No file is opened but the ONNX one.
 *
 * @throws PortolanError `registry.not_registrable`, and what pushing a version throws
 */
export async function registerLogged(
  deps: RegisterDeps,
  call: CallContext,
  request: RegisterRequest,
): Promise<NotedVersion> {
  const { model, source } = request;
  const id =
    request.loggedModelId ??
    /^models:\/(m-[\w-]+)$|\/models\/(m-[\w-]+)\/artifacts\/?$/.exec(source)?.slice(1).find(Boolean);
  if (id === undefined)
    throw invalid(
      `${JSON.stringify(source.slice(0, 200))} is no logged model`,
      "Log the model with mlflow.<flavor>.log_model, and register models:/<its id>.",
    );
  const logged = await deps.loggedModels.find(call, id);
  if (!logged.isReady) throw invalid(`the model ${id} is not ready`, "Finalize it when its files are there.");
  const { useCaseId } = logged;
  if (useCaseId === undefined)
    throw invalid(
      `the run ${logged.runId} belongs to no use case`,
      "Log within an experiment <use case>/<environment>: a registered model is a use case's.",
    );
  const onnx = logged.files.find(({ path }) => path === modelFileName);
  const owned = { ...logged, useCaseId };
  const version = onnx
    ? await pushVersion(deps, call, {
        model,
        useCaseId,
        artifact: onnx.digest,
        environment: logged.environment,
        lineage: await lineageOf(deps, call, owned, onnx.digest),
      })
    : await keepVersion(deps, call, model, owned);
  await note(deps, call, version, request, logged);
  return readNotedVersion(deps, call, model, version.version);
}

/** Trained here only when the run's own record says that it made exactly these bytes. */
async function lineageOf(
  deps: RegisterDeps,
  call: CallContext,
  { id, runId }: LoggedModel,
  artifact: string,
): Promise<Lineage> {
  const run = await deps.work.read(call, (sql) => deps.runs.find(sql, call.actor.organisationId, runId));
  if (run?.model === artifact) return { origin: "trained", trainingRunId: runId };
  return { origin: "imported", source: `mlflow:${id}` };
}

/** A version of files that nothing here opens. */
async function keepVersion(
  deps: RegisterDeps,
  call: CallContext,
  model: string,
  logged: LoggedModel & { readonly useCaseId: string },
): Promise<ModelVersion> {
  const { organisationId } = call.actor;
  const { environment, useCaseId, files } = logged;
  const resource = { type: "Model", id: model, organisationId, useCaseId, environment };
  await deps.authorizer.require(call, "registry:import", resource);
  if (files.length === 0)
    throw invalid(`the model ${logged.id} has no files`, "Log it again, with its files.");
  const place = await locate(deps.places, organisationId, { useCaseId });
  const list = files.map(({ path, digest, sizeBytes }): JsonObject => ({ path, digest, sizeBytes }));
  const bytes = canonicalBytes({ loggedModel: logged.id, files: list });
  const digest = await deps.objects.put(bytes);
  const file = { name: keptFilesName, digest, sizeBytes: bytes.length };
  const signed = await signFile(deps, model, file, { inputs: [], outputs: [] });
  return deps.work.write(call, async (tx) => {
    const charter = await deps.charters.inForce(tx.sql, useCaseId);
    if (!charter && environment !== "dev") throw charterMissing(useCaseId);
    const lineage: Lineage = {
      origin: "imported",
      source: `mlflow:${logged.id}`,
      packaging: "files",
      ...(charter ? { charterId: charter.charterId, charterDigest: charter.digest } : {}),
    };
    const held = files.flatMap((one) => parseDigest(one.digest) ?? []);
    await deps.artifacts.note(tx, { environment, ...place }, [
      ...heldBy(signed),
      ...held.map((one) => ({ digest: one, kind: "model" as const })),
    ]);
    return addVersion(tx, { model, useCaseId }, signed, lineage);
  });
}

async function note(
  deps: RegisterDeps,
  call: CallContext,
  version: ModelVersion,
  { model, description, tags }: RegisterRequest,
  logged: LoggedModel,
): Promise<void> {
  await deps.work.write(call, async (tx) => {
    await listModelNames(tx.sql, call.actor.organisationId, model, true);
    // The same version again keeps what was said of it.
    const before = (await readVersionNotes(tx.sql, [version.id])).get(version.id);
    await putVersionNotes(tx.sql, {
      version_id: version.id,
      description: description || (before?.description ?? ""),
      tags: mergeTags(before?.tags ?? [], tags),
      logged_model_id: logged.id,
      run_id: logged.runId,
      source: logged.root,
      updated_at: tx.now,
    });
    await tx.record({
      event: "registry.version.registered_from",
      subject: version.id,
      detail: { loggedModel: logged.id, run: logged.runId },
    });
  });
}
