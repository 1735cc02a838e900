import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  canonicalJson,
  type Digest,
  digestJson,
  type EnvironmentPlace,
  type Id,
  isPortolanError,
  JobDeferred,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  type Money,
  newId,
  ownerOf,
  type Place,
  type PlaceDirectory,
  PortolanError,
  requireSeen,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import { admitRun, queuedRun } from "./admit-run.ts";
import { listAttempts } from "./attempt-store.ts";
import {
  type BackendTask,
  chosenBackend,
  type RemoteTrainingBackend,
  stopTrainerIntent,
  type TrainerLimits,
  type TrainingBackend,
} from "./backend.ts";
import { requireBase } from "./base-model.ts";
import type { TrainingRunRequest, TrainingRunResult, TrainingRunView } from "./contract.ts";
import { privacyOf } from "./differential-privacy.ts";
import type { TrainingErrorCode } from "./errors.ts";
import { mayTrain } from "./isolation-level.ts";
import { pricedWork, workOf } from "./lost-work.ts";
import type { BaseModels, CharterGate } from "./ports.ts";
import { type ProcessBackendDeps, processBackend } from "./process-backend.ts";
import { closeRun, findReadyTrainingSet, findRun, insertRun, updateRun } from "./store.ts";
import { timeLeftMs } from "./time-limit.ts";
import { watchedElsewhere } from "./watched-elsewhere.ts";

export const trainingQueue = "training.run";

export interface TrainingDeps extends ProcessBackendDeps {
  readonly authorizer: Authorizer;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly charters: CharterGate;
  readonly baseModels: BaseModels;
  readonly workFolder: string;
  readonly limits: TrainerLimits;
  /** The Ray cluster that the operator configured; absent: none. */
  readonly ray?: RemoteTrainingBackend;
  /** Price of a core for an hour where a use case is trained; `undefined` where none is stated. */
  readonly coreHour?: (sql: Sql, useCaseId: string | undefined) => Promise<Money | undefined>;
}

/** How a run is begun, beside what it is made from. */
export interface RunStart {
  /** Its id, for who must not start it twice: under an id that there is already, nothing is started. */
  readonly as?: Id<"trainingRun">;
  /** Of runs that wait, the higher goes first; 0 by default. */
  readonly priority?: number;
}

/** Starts a training run as a durable job. */
export async function startTrainingRun(
  deps: TrainingDeps,
  call: CallContext,
  named: TrainingRunRequest,
  { as, priority = named.priority }: RunStart = {},
): Promise<TrainingRunView> {
  const organisationId = call.actor.organisationId;
  const { environment } = named;
  await deps.authorizer.require(call, "training:start", {
    type: "TrainingRun",
    organisationId,
    environment,
    ...asPlace(named),
  });
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const baseModel = named.baseModel && (await requireBase(deps.baseModels, call, named, place));
  const request = { ...named, ...ownerOf(place), ...(baseModel ? { baseModel } : {}) };
  const scope = { environment, ...ownerOf(place) };
  const backend = backendOf(deps, request);
  const { regulated } = await deps.charters.requireInForce(call, { ...scope, ...placeOf(backend) });
  if (scope.useCaseId !== undefined) await deps.charters.requireBudget?.(call, scope.useCaseId);
  const level = await backend.isolationLevel();
  if (!mayTrain({ regulated, level })) throw notIsolated(request.backend);
  // The trainer and its locks must be this work's own: a digest alone gives nobody the bytes of others.
  for (const digest of [request.code, ...Object.values(request.locks)])
    await deps.artifacts.require(call, digest, { environment, ...place });
  const id = as ?? newId("trainingRun", deps.clock.now());
  const queued = await queuedRun(deps, call, { id, request, priority: priority ?? 0 });
  // In the queue a run has a priority that its team may ask, also where it states none.
  const stated = queued?.priority ?? priority;
  const bounded = stated === undefined ? {} : { priority: stated };
  return deps.uow.write(call, async (tx) => {
    const begun = as && (await findRun(tx.sql, organisationId, as));
    if (begun) return begun;
    const of = { organisationId, ...scope, id: request.trainingSetId };
    if (!(await findReadyTrainingSet(tx.sql, of))) throw notReady(request.trainingSetId);
    await insertRun(tx.sql, {
      id,
      organisationId,
      request,
      startedBy: call.actor.id,
      now: tx.now,
      ...bounded,
    });
    const job = await tx.enqueue({
      queue: trainingQueue,
      payload: { runId: id },
      key: id,
      place: scope,
      ...bounded,
    });
    await tx.record({
      event: "training.run.started",
      subject: id,
      after: digestJson(request),
    });
    if (queued) await deps.admission?.enter(tx, queued, job);
    const startedBy = call.actor.id;
    return { id, environment, state: "waiting", request, startedBy, startedAt: tx.now };
  });
}

export async function readTrainingRun(
  deps: Pick<TrainingDeps, "uow" | "authorizer" | "admission"> &
    Partial<Pick<TrainingDeps, "coreHour" | "limits">>,
  call: CallContext,
  id: string,
): Promise<TrainingRunView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, async (sql) => {
    const run = await findRun(sql, organisationId, id);
    const queue = await deps.admission?.view(sql, organisationId, id);
    if (!run) return undefined;
    const work = workOf(run.request, await listAttempts(sql, id));
    const isCut = work.keptSeconds + work.lostSeconds > 0;
    // On a cluster of others the cores are not known, and nothing is kept.
    const isHere = run.request.backend !== "ray";
    const cores = deps.limits?.threads;
    const price = isCut && isHere ? await deps.coreHour?.(sql, run.request.useCaseId) : undefined;
    return {
      ...run,
      work: price && cores !== undefined ? pricedWork(work, price, cores) : work,
      ...(queue ? { queue } : {}),
    };
  });
  const missing = () => noSuchRun(id);
  if (!found) throw missing();
  const resource = { type: "TrainingRun", id, organisationId, ...runPlace(found.request) };
  await requireSeen(deps.authorizer, call, { action: "training:read", resource }, missing);
  return found;
}

/** How a run that does not exist is answered, and one that the caller may not see. */
export function noSuchRun(id: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.run_not_found", { detail: `there is no run ${id}` });
}

function runPlace({ environment, ...request }: TrainingRunRequest): EnvironmentPlace {
  return { environment, ...asPlace({ useCaseId: request.useCaseId }) };
}

export function trainingJob(deps: TrainingDeps): JobHandler {
  return {
    queue: trainingQueue,
    retries: 3,
    run: (job) => train(deps, job),
    abandoned: async (tx, { payload, state, reason }) => {
      const { runId: id } = payload as { runId: string };
      const refused = await deps.admission?.refusal(tx.sql, id);
      if (await closeRun(tx.sql, id, { state, reason: refused ?? reason, now: tx.now }))
        await tx.record({ event: `training.run.${state}`, subject: id });
      await settleRun(deps, tx, id);
      await endElsewhere(deps, tx, id);
      // Nobody goes on from its checkpoint; what it wrote stays to be read.
      const folder = join(deps.workFolder, id);
      for (const name of await readdir(folder).catch(() => []))
        if (name !== "trainer.log") await rm(join(folder, name), { recursive: true, force: true });
    },
  };
}

async function train(deps: TrainingDeps, job: JobRun): Promise<JsonObject> {
  const payload = job.payload["runId"];
  const id = typeof payload === "string" ? payload : "";
  const organisationId = job.call.actor.organisationId;
  try {
    await admitRun(deps, job, id);
    const pinned = await job.step("pin", async (tx) => {
      const run = await findRun(tx.sql, organisationId, id);
      const setId = run?.request.trainingSetId ?? "";
      const set =
        run && (await findReadyTrainingSet(tx.sql, { organisationId, ...runPlace(run.request), id: setId }));
      if (!run || !set) throw notReady(setId);
      await updateRun(tx.sql, id, "running", tx.now);
      return { request: run.request, set };
    });
    // The charter may have come to keep the data elsewhere while the run waited, or between two starts.
    const backend = backendOf(deps, pinned.request);
    await deps.charters.requireInForce(job.call, { ...runPlace(pinned.request), ...placeOf(backend) });
    const result = await job.effect("train", () => produce(deps, backend, job, id, pinned));
    // Model and log are in the object store and on the job's record: whoever reads "succeeded" finds no folder any more.
    await rm(join(deps.workFolder, id), { recursive: true, force: true });
    return await job.step("publish", async (tx) => {
      await updateRun(tx.sql, id, { result }, tx.now);
      await settleRun(deps, tx, id);
      await deps.artifacts.note(tx, runPlace(pinned.request), [
        { digest: result.model, kind: "model" },
        { digest: result.log, kind: "training_log" },
      ]);
      const { python, data, code, isolation, privacy, backend: where } = result;
      const detail = {
        python,
        data,
        code,
        isolation,
        ...(where ? { backend: where } : {}),
        ...(privacy ? { epsilon: privacy.epsilon, delta: privacy.delta } : {}),
      };
      await tx.record({
        event: "training.run.succeeded",
        subject: id,
        after: result.model as Digest,
        detail,
      });
      return { runId: id, model: result.model };
    });
  } catch (error) {
    // Trying again does not mend a trainer that fails by itself, nor what the charter says; anything else may pass, and is a failure only at the last try.
    // One that made room is no failure, also not at the last try.
    if (error instanceof JobDeferred) throw error;
    const settled = isPortolanError(error) && settledCodes.includes(error.code);
    if (job.signal.aborted || !(settled || job.finalAttempt)) throw error;
    const failure = error instanceof Error ? error.message.slice(0, 800) : "failed";
    await job.step("fail", async (tx) => {
      await updateRun(tx.sql, id, { failure }, tx.now);
      await settleRun(deps, tx, id);
      await endElsewhere(deps, tx, id);
      await tx.record({ event: "training.run.failed", subject: id });
      return null;
    });
    if (settled) return { runId: id, failed: failure };
    throw error;
  }
}

/** What it held while it was open: its tracking, and its part of the quota. */
async function settleRun(
  { tracking, admission }: Pick<TrainingDeps, "tracking" | "admission">,
  tx: Transaction,
  id: string,
): Promise<void> {
  await tracking.settle(tx, id);
  await admission?.release(tx, id);
}

/** What another try would not change. */
const settledCodes: readonly string[] = [
  "training.trainer_failed" satisfies TrainingErrorCode,
  "training.inputs_too_large" satisfies TrainingErrorCode,
  "charter.placement_refused",
  "charter.not_in_force",
  "capacity.approval_refused",
];

interface Pinned {
  readonly request: TrainingRunRequest;
  readonly set: { readonly object: string; readonly features: string[]; readonly label: string };
}

async function produce(
  deps: TrainingDeps,
  backend: TrainingBackend,
  job: JobRun,
  id: string,
  pinned: Pinned,
): Promise<TrainingRunResult> {
  const { request, set } = pinned;
  const spec = { params: request.params, features: set.features, label: set.label, seed: request.seed };
  const base = request.baseModel?.digest as Digest | undefined;
  const task = await layOut(deps, job, id, pinned, canonicalJson(spec));
  const { model, metrics, log, lock, ...how } = await (request.backend === "ray"
    ? watchedElsewhere(deps, job, id, (look) => backend.train({ ...task, ...(look ? { look } : {}) }))
    : backend.train(task));
  const privacy = privacyOf(request);
  return {
    model: model.digest,
    modelSizeBytes: model.sizeBytes,
    metrics,
    log: (await deps.objects.putFile(log)).digest,
    data: set.object,
    ...(base ? { base } : {}),
    code: request.code,
    params: digestJson(spec),
    environmentLock: lock,
    seed: request.seed,
    ...how,
    ...(privacy ? { privacy } : {}),
  };
}

/** The run's folder with its program and parameters. */
async function layOut(
  deps: TrainingDeps,
  job: JobRun,
  id: string,
  { request, set }: Pinned,
  params: string,
): Promise<BackendTask> {
  const folder = join(deps.workFolder, id);
  await mkdir(folder, { recursive: true });
  const code = join(folder, "train.py");
  await rm(code, { force: true });
  await writeFile(code, await deps.objects.get(request.code as Digest));
  await chmod(code, 0o444);
  const paramsFile = join(folder, "params.json");
  await writeFile(paramsFile, params);
  const base = request.baseModel?.digest as Digest | undefined;
  return {
    call: job.call,
    runId: id,
    request,
    folder,
    code,
    trainingSet: await deps.objects.localPath(set.object as Digest),
    ...(base ? { baseModel: await deps.objects.localPath(base) } : {}),
    paramsFile,
    limits: { ...deps.limits, timeoutMs: timeLeftMs(deps.limits.timeoutMs, request) },
    signal: job.signal,
    progress: (fraction, note) => job.progress(fraction, note),
  };
}

function backendOf(deps: TrainingDeps, request: TrainingRunRequest): TrainingBackend {
  return chosenBackend(request, { here: processBackend(deps), ...(deps.ray ? { ray: deps.ray } : {}) });
}

function placeOf({ place }: TrainingBackend): { readonly at?: Place } {
  return place ? { at: place } : {};
}

/** What works elsewhere does not end with this process: ending it is an effect that is performed until it is done. */
async function endElsewhere(deps: TrainingDeps, tx: Transaction, id: string): Promise<void> {
  const run = deps.ray && (await findRun(tx.sql, tx.call.actor.organisationId, id));
  if (run?.request.backend === "ray") await tx.intend(stopTrainerIntent, { runId: id });
}

function notIsolated(backend: TrainingRunRequest["backend"]): PortolanError<TrainingErrorCode> {
  if (backend === "ray")
    return new PortolanError("training.not_isolated", {
      detail: "a Ray cluster keeps no job from another one, and a regulation applies to the use case",
      mend: "Leave `backend` out: beside the server a trainer is isolated.",
    });
  return new PortolanError("training.not_isolated", {
    detail:
      "this machine cannot keep a trainer from the server's files, and a regulation applies to the use case",
    mend: "See what `portolan doctor` says of isolation: start Portolan as root, or permit user namespaces.",
  });
}

function notReady(id: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.training_set_missing", {
    detail: `there is no ready training set ${id} in this environment`,
    mend: "Build it with POST /v1/training-sets and wait until it is ready.",
  });
}
