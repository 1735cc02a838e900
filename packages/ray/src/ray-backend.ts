import { setTimeout as delay } from "node:timers/promises";
import {
  asPlace,
  type Clock,
  type Digest,
  isPortolanError,
  type ObjectStore,
  PortolanError,
} from "@portolan/kernel";
import {
  type BackendOutcome,
  type BackendTask,
  lastLines,
  normaliseLock,
  type RemoteTracking,
  type RemoteTrainingBackend,
  type TrainingErrorCode,
} from "@portolan/training";
import { readOutputs } from "./job-outputs.ts";
import { entrypoint, packageOf } from "./job-package.ts";
import { type JobStanding, standingOf } from "./job-standing.ts";
import { JobUseReader } from "./job-use.ts";
import { LogFollower } from "./log-follower.ts";
import { type JobInfo, RayClient } from "./ray-client.ts";
import type { RaySettings } from "./ray-settings.ts";

export interface RayBackendDeps {
  readonly settings: RaySettings;
  readonly objects: ObjectStore;
  readonly tracking: RemoteTracking;
  readonly clock: Clock;
  /** For how long a cluster may be away before the attempt ends, in milliseconds; a minute by default. */
  readonly mostAwayMs?: number;
}

/** What a job may take beside its trainer: to wait for a machine, to build its environment, to bring back what it made. */
const besideMs = 30 * 60_000;

/** Ray kills what does not end by itself within seconds. */
const mostStopMs = 60_000;
const stopLookMs = 500;

/** Training runs as jobs of a Ray cluster. */
export function createRayBackend(deps: RayBackendDeps): RemoteTrainingBackend {
  const client = new RayClient(deps.settings);
  return {
    place: deps.settings.place,
    // A job runs as whoever runs the cluster, beside other jobs.
    isolationLevel: () => Promise.resolve("none"),
    train: (task) => new RayRun(deps, client, task).train(),
    hasBegun: async (runId) => isTakenUp(await standingIn(client, runId)),
    stop: (runId) => client.stop(runId),
  };
}

async function standingIn(client: RayClient, runId: string): Promise<JobStanding | undefined> {
  const found = await client.job(runId);
  return found && standingOf(found);
}

/** Whether a job is waited for as it is; any other one is sent anew. */
function isTakenUp(standing: JobStanding | undefined): standing is JobStanding {
  return standing !== undefined && standing.kind !== "lost" && standing.kind !== "environment";
}

/** One attempt of a run; the job that an earlier one sent is taken up. */
class RayRun {
  readonly #deps: RayBackendDeps;
  readonly #client: RayClient;
  readonly #task: BackendTask;
  readonly #log: LogFollower;
  readonly #use: JobUseReader;

  constructor(deps: RayBackendDeps, client: RayClient, task: BackendTask) {
    this.#deps = deps;
    this.#client = client;
    this.#task = task;
    this.#log = new LogFollower(task.folder);
    this.#use = new JobUseReader(client, task.runId);
  }

  async train(): Promise<BackendOutcome> {
    const { runId, request, signal } = this.#task;
    const { place, python } = this.#deps.settings;
    const lock = request.locks[python];
    if (lock === undefined) throw noLock(python);
    if (signal.aborted) throw leftAlone();
    const standing = await standingIn(this.#client, runId);
    if (!isTakenUp(standing)) {
      if (standing) await this.#client.forget(runId);
      await this.#send(lock as Digest);
    }
    await this.#task.progress(0.3, `working on the cluster in ${place.region}`);
    await this.#requireSuccess(await this.#follow());
    const { ray: version, ...outputs } = await readOutputs(this.#deps, this.#task);
    return {
      ...outputs,
      log: this.#log.path,
      lock: lock as Digest,
      networkBlocked: false,
      isolation: "none",
      backend: { kind: "ray", version, ...place },
    };
  }

  async #send(lock: Digest): Promise<void> {
    const { call, runId, request, limits, progress } = this.#task;
    const { objects, tracking, settings } = this.#deps;
    const lines = normaliseLock(new TextDecoder().decode(await objects.get(lock)));
    await progress(0.1, "sending the job to the cluster");
    const { environment, useCaseId } = request;
    const lifetimeMs = limits.timeoutMs + besideMs;
    const token = await tracking.grant(call, {
      runId,
      environment,
      ...asPlace({ useCaseId }),
      lifetimeMs,
    });
    const { name, bytes } = await packageOf(settings, this.#task, token);
    const workingFolder = await this.#client.upload(name, bytes);
    await this.#log.begin();
    await this.#client.submit({
      entrypoint,
      submission_id: runId,
      runtime_env: { working_dir: workingFolder, ...pinned(lines) },
      metadata: { portolan_run: runId },
    });
  }

  /** Until the job has ended. */
  async #follow(): Promise<JobStanding> {
    const { runId, signal } = this.#task;
    const { clock, mostAwayMs = 60_000 } = this.#deps;
    let awaySince: number | undefined;
    while (!signal.aborted) {
      try {
        const job = await this.#client.job(runId);
        if (!job) throw gone();
        await this.#log.bring(await this.#client.logs(runId));
        const standing = standingOf(job);
        if (standing.kind !== "working") return standing;
        await this.#requireUse(job);
        await this.#requireInTime(job);
        awaySince = undefined;
      } catch (error) {
        // A head that is being started anew is back in a moment, and the job may not even have noticed.
        if (!isPortolanError(error) || error.code !== "training.cluster_unreachable") throw error;
        const now = clock.now() / 1000;
        awaySince ??= now;
        if (now - awaySince >= mostAwayMs) throw error;
      }
      await delay(this.#log.pauseMs, undefined, { signal }).catch(() => undefined);
    }
    throw leftAlone();
  }

  /** Where it does nothing, and the quotas of its team say so, it is stopped. */
  async #requireUse(job: JobInfo): Promise<void> {
    const { runId, look } = this.#task;
    // Neither what the cluster does not tell nor a database that is away is a reason to give the job up.
    const read = () => this.#use.read(job).catch(() => undefined);
    const reason = await look?.(read).catch(() => undefined);
    if (reason === undefined) return;
    await this.#client.stop(runId);
    for (let waitedMs = 0; waitedMs < mostStopMs; waitedMs += stopLookMs) {
      const standing = await standingIn(this.#client, runId);
      if (standing?.kind !== "working") break;
      await delay(stopLookMs);
    }
    throw interrupted(`the job was stopped: ${reason}`);
  }

  /** The job bounds its trainer itself; this is for one that never starts, or whose driver hangs. */
  async #requireInTime({ start_time: startMs }: JobInfo): Promise<void> {
    const { runId, limits } = this.#task;
    const mostMs = limits.timeoutMs + besideMs;
    if (typeof startMs !== "number" || this.#deps.clock.now() / 1000 - startMs <= mostMs) return;
    await this.#client.stop(runId);
    throw failed(`the job took longer than its limit of ${Math.round(mostMs / 60_000)} minutes`);
  }

  async #requireSuccess(standing: JobStanding): Promise<void> {
    switch (standing.kind) {
      case "succeeded":
      case "working":
        return;
      case "failed":
        throw failed(`the job ${standing.why}: ${await lastLines(this.#log.path)}`);
      case "environment":
        throw new PortolanError<TrainingErrorCode>("training.environment_failed", {
          detail: standing.why,
          mend: "Check the lock file, and that the cluster's machines reach a package index.",
        });
      case "lost":
        throw interrupted(`the job ${standing.why}`);
    }
  }
}

/** The lock as Ray builds an environment from it: what it pins with its hashes, beside the cluster's own packages. */
function pinned(lock: string): Readonly<Record<string, unknown>> {
  const packages = lock.split("\n").filter((line) => line !== "");
  if (packages.length === 0) return {};
  const options = ["--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary=:all:"];
  return { pip: { packages, pip_check: false, pip_install_options: options } };
}

function failed(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.trainer_failed", {
    detail,
    mend: "Read its log with GET /v1/training-runs/<id>/logs.",
  });
}

function interrupted(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.interrupted", {
    detail,
    mend: "Nothing: the run goes on by itself, or has ended by somebody's wish.",
  });
}

function gone(): PortolanError<TrainingErrorCode> {
  return interrupted(
    "the cluster does not know the job any more: its head was started anew, or somebody deleted it",
  );
}

/** Stopping a job that was cancelled is the effect of an intent, which outlives this process. */
function leftAlone(): PortolanError<TrainingErrorCode> {
  return interrupted("this server no longer waits for the job");
}

function noLock(python: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.no_python", {
    detail: `the cluster runs Python ${python}, and the run has no lock for it`,
    mend: `Lock the program's packages for Python ${python} as well.`,
  });
}
