import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  type Clock,
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
  newId,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import { listAttempts } from "./attempt-store.ts";
import { requireBase } from "./base-model.ts";
import type { TrainingRunRequest, TrainingRunResult, TrainingRunView } from "./contract.ts";
import { privacyOf } from "./differential-privacy.ts";
import { type EnvironmentDeps, ensureEnvironment, findPython } from "./environment.ts";
import type { TrainingErrorCode } from "./errors.ts";
import { findIsolation, type Isolation } from "./isolation.ts";
import { mayTrain } from "./isolation-level.ts";
import { workOf } from "./lost-work.ts";
import type { BaseModels, CharterGate, RunTracking } from "./ports.ts";
import { type PythonMinor, pythonMinors } from "./python.ts";
import { closeRun, findReadyTrainingSet, findRun, insertRun, updateRun } from "./store.ts";
import { trackingSocketName } from "./tracking-address.ts";
import { defaultGraceMs, runTrainer, type TrainerOutcome, type TrainerTask } from "./trainer-process.ts";
import { type PreemptionRules, WatchedAttempt } from "./watched-attempt.ts";

export const trainingQueue = "training.run";

export interface TrainingDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly charters: CharterGate;
  readonly tracking: RunTracking;
  readonly baseModels: BaseModels;
  readonly environments: EnvironmentDeps;
  /** Commands to try for a Python, e.g. `python3.12`, best first. */
  readonly pythons: readonly string[];
  readonly workFolder: string;
  readonly limits: {
    readonly threads: number;
    readonly memoryLimitBytes: number;
    readonly cpuSeconds: number;
    readonly timeoutMs: number;
    readonly diskLimitBytes: number;
  };
  readonly preemption: PreemptionRules;
  readonly clock: Clock;
  /** Folders that no trainer may see, but for what it is shown of them. */
  readonly hidden: readonly string[];
  /** How trainers run; by default the best that the machine permits. */
  readonly isolation?: Isolation;
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
  { as, priority }: RunStart = {},
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
  const { regulated } = await deps.charters.requireInForce(call, scope);
  const { level } = deps.isolation ?? (await findIsolation());
  if (!mayTrain({ regulated, level })) throw notIsolated();
  // The trainer and its locks must be this work's own: a digest alone gives nobody the bytes of others.
  for (const digest of [request.code, ...Object.values(request.locks)])
    await deps.artifacts.require(call, digest, { environment, ...place });
  return deps.uow.write(call, async (tx) => {
    const begun = as && (await findRun(tx.sql, organisationId, as));
    if (begun) return begun;
    const of = { organisationId, ...scope, id: request.trainingSetId };
    if (!(await findReadyTrainingSet(tx.sql, of))) throw notReady(request.trainingSetId);
    const id = as ?? newId("trainingRun", tx.now);
    await insertRun(tx.sql, {
      id,
      organisationId,
      request,
      startedBy: call.actor.id,
      now: tx.now,
      ...(priority === undefined ? {} : { priority }),
    });
    await tx.enqueue({
      queue: trainingQueue,
      payload: { runId: id },
      key: id,
      place: scope,
      ...(priority === undefined ? {} : { priority }),
    });
    await tx.record({
      event: "training.run.started",
      subject: id,
      after: digestJson(request),
    });
    const startedBy = call.actor.id;
    return { id, environment, state: "waiting", request, startedBy, startedAt: tx.now };
  });
}

export async function readTrainingRun(
  deps: Pick<TrainingDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<TrainingRunView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, async (sql) => {
    const run = await findRun(sql, organisationId, id);
    return run && { ...run, work: workOf(run.request, await listAttempts(sql, id)) };
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
      if (await closeRun(tx.sql, id, { state, reason, now: tx.now }))
        await tx.record({ event: `training.run.${state}`, subject: id });
      await deps.tracking.settle(tx, id);
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
    await deps.charters.requireInForce(job.call, runPlace(pinned.request));
    const result = await job.effect("train", () => produce(deps, job, id, pinned));
    // Model and log are in the object store and on the job's record: whoever reads "succeeded" finds no folder any more.
    await rm(join(deps.workFolder, id), { recursive: true, force: true });
    return await job.step("publish", async (tx) => {
      await updateRun(tx.sql, id, { result }, tx.now);
      await deps.tracking.settle(tx, id);
      await deps.artifacts.note(tx, runPlace(pinned.request), [
        { digest: result.model, kind: "model" },
        { digest: result.log, kind: "training_log" },
      ]);
      const { python, data, code, isolation, privacy } = result;
      const detail = {
        python,
        data,
        code,
        isolation,
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
      await deps.tracking.settle(tx, id);
      await tx.record({ event: "training.run.failed", subject: id });
      return null;
    });
    if (settled) return { runId: id, failed: failure };
    throw error;
  }
}

/** What another try would not change. */
const settledCodes: readonly string[] = [
  "training.trainer_failed" satisfies TrainingErrorCode,
  "charter.placement_refused",
  "charter.not_in_force",
];

interface Pinned {
  readonly request: TrainingRunRequest;
  readonly set: { readonly object: string; readonly features: string[]; readonly label: string };
}

async function produce(
  deps: TrainingDeps,
  job: JobRun,
  id: string,
  pinned: Pinned,
): Promise<TrainingRunResult> {
  const { request, set } = pinned;
  const locked = pythonMinors.filter((minor): minor is PythonMinor => request.locks[minor] !== undefined);
  const python = await findPython(deps.pythons, locked, deps.environments.installEnvironment);
  const lock = request.locks[python.minor] as Digest;
  await job.progress(0.1, `environment for Python ${python.version}`);
  const text = new TextDecoder().decode(await deps.objects.get(lock));
  const environment = await ensureEnvironment(deps.environments, text, python);
  await job.progress(0.3, environment.built ? "environment built; training" : "environment cached; training");
  const folder = join(deps.workFolder, id);
  await mkdir(folder, { recursive: true });
  const code = join(folder, "train.py");
  await rm(code, { force: true });
  await writeFile(code, await deps.objects.get(request.code as Digest));
  await chmod(code, 0o444);
  const spec = { params: request.params, features: set.features, label: set.label, seed: request.seed };
  const paramsFile = join(folder, "params.json");
  await writeFile(paramsFile, canonicalJson(spec));
  const base = request.baseModel?.digest as Digest | undefined;
  const outcome = await tracked(
    deps,
    job,
    { id, request, folder, python: python.path },
    {
      interpreter: environment.interpreter,
      code,
      trainingSet: await deps.objects.localPath(set.object as Digest),
      ...(base ? { baseModel: await deps.objects.localPath(base) } : {}),
      paramsFile,
      folder,
      readable: [environment.folder, python.prefix],
      hidden: deps.hidden,
      ...deps.limits,
      ...(deps.isolation ? { isolation: deps.isolation } : {}),
      signal: job.signal,
    },
  );
  const privacy = privacyOf(request);
  return {
    ...(await kept(deps.objects, outcome)),
    data: set.object,
    ...(base ? { base } : {}),
    code: request.code,
    params: digestJson(spec),
    environmentLock: lock,
    python: python.version,
    seed: request.seed,
    ...(privacy ? { privacy } : {}),
  };
}

/** What came out, in the object store. */
async function kept(objects: ObjectStore, { model, metrics, log, isolation }: TrainerOutcome) {
  const { digest, sizeBytes } = await objects.putFile(model);
  return {
    model: digest,
    modelSizeBytes: sizeBytes,
    metrics,
    log: (await objects.putFile(log)).digest,
    networkBlocked: isolation.networkBlocked,
    isolation: isolation.level,
  };
}

interface TrackedTask {
  readonly id: string;
  readonly request: TrainingRunRequest;
  readonly folder: string;
  /** The machine's own, not the environment's. */
  readonly python: string;
}

/**
 * Runs the trainer with a tracking address, which is there for as long as it runs.
 *
 * @throws JobDeferred where it made room: the run waits again, behind those of its priority
 */
async function tracked(
  deps: TrainingDeps,
  job: JobRun,
  { id, request, folder, python }: TrackedTask,
  task: TrainerTask,
): Promise<TrainerOutcome> {
  const socket = join(folder, trackingSocketName);
  const { noticeMs } = deps.preemption;
  const lifetimeMs = task.timeoutMs + Math.max(defaultGraceMs, noticeMs);
  const session = await deps.tracking.open(job.call, { runId: id, ...runPlace(request), lifetimeMs }, socket);
  try {
    const tracking = { runId: id, socket, token: session.token, python };
    const attempt = await WatchedAttempt.begin(deps, job.call, { id, request, folder });
    const end = await attempt.run(
      (makeRoom) => runTrainer({ ...task, tracking, makeRoom, noticeMs }),
      job.signal,
    );
    if ("outcome" in end) return end.outcome;
    throw new JobDeferred(deps.clock.now(), `made room (${end.preempted}); goes on from its checkpoint`);
  } finally {
    await session.close();
  }
}

function notIsolated(): PortolanError<TrainingErrorCode> {
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
