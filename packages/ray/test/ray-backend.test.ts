import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, Secret, systemClock } from "@portolan/kernel";
import { type FolderObjectStore, openFolderObjectStore } from "@portolan/objectstore";
import { aCall } from "@portolan/testkit";
import type { BackendTask, RemoteTracking } from "@portolan/training";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRayBackend } from "../src/index.ts";
import { type Job, openJobsApi } from "./jobs-api.ts";

const runId = "run_01m8aaaaaaaaaaaaaaaaaaaaaa";
const lock = `numpy==2.4.6 --hash=sha256:${"a".repeat(64)}\n`;

describe("a training run as a job of Ray", () => {
  let api: Awaited<ReturnType<typeof openJobsApi>>;
  let folder: string;
  let objects: FolderObjectStore;
  let stop: AbortController;
  let grants: number;
  /** What the job logged to its run. */
  let files: Map<string, { digest: Digest; sizeBytes: number }>;
  beforeEach(async () => {
    api = await openJobsApi();
    folder = await mkdtemp(join(tmpdir(), "portolan-ray-"));
    objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
    stop = new AbortController();
    grants = 0;
    files = new Map();
    await mkdir(join(folder, "run"));
    for (const name of ["train.py", "params.json", "set.parquet"])
      await writeFile(join(folder, name), `the bytes of ${name}`);
  });
  afterEach(async () => {
    await api.close();
    await rm(folder, { recursive: true, force: true });
  });

  const tracking: RemoteTracking = {
    grant: () => {
      grants += 1;
      return Promise.resolve(new Secret(`ptr_secret_${grants}`));
    },
    findFile: (_call, _runId, path) => Promise.resolve(files.get(path)),
  };
  const backend = (more: { readonly token?: Secret } = {}) =>
    createRayBackend({
      settings: {
        address: api.address,
        controlUrl: "https://portolan.example",
        python: "3.12",
        place: { region: "eu-west-1", owner: "self" },
        ...more,
      },
      objects,
      tracking,
      clock: systemClock,
      mostAwayMs: 0,
    });
  const task = async (): Promise<BackendTask> => ({
    call: aCall({}),
    runId,
    request: {
      environment: "dev",
      trainingSetId: "ts",
      code: `sha256:${"0".repeat(64)}`,
      locks: { "3.12": await objects.put(Buffer.from(lock)) },
      params: {},
      seed: 1,
      backend: "ray",
    },
    folder: join(folder, "run"),
    code: join(folder, "train.py"),
    trainingSet: join(folder, "set.parquet"),
    paramsFile: join(folder, "params.json"),
    limits: {
      threads: 1,
      memoryLimitBytes: 2 ** 30,
      cpuSeconds: 60,
      timeoutMs: 60_000,
      diskLimitBytes: 2 ** 20,
    },
    signal: stop.signal,
    progress: () => Promise.resolve(),
  });
  const train = async () => backend().train(await task());

  async function log(name: string, bytes: Uint8Array): Promise<Digest> {
    const digest = await objects.put(bytes);
    files.set(`portolan/${name}`, { digest, sizeBytes: bytes.length });
    return digest;
  }
  /** As the job's driver does at its end. */
  async function leave(change: { readonly model?: Digest; readonly run?: string } = {}): Promise<Digest> {
    const model = await log("model.onnx", Buffer.from("a model"));
    const metrics = await log("metrics.json", Buffer.from('{"loss":0.5}'));
    const manifest = {
      run: change.run ?? runId,
      python: "3.12.4",
      ray: "2.60.0",
      model: { digest: change.model ?? model, sizeBytes: 7 },
      metrics: { digest: metrics, sizeBytes: 12 },
    };
    await log("manifest.json", Buffer.from(JSON.stringify(manifest)));
    return model;
  }
  const succeed = (job: Job): void => void (job.status = "SUCCEEDED");
  const logged = () => readFile(join(folder, "run", "trainer.log"), "utf8");

  test("is submitted once under its own id, with its lock by hashes, and its model is taken by digest", async () => {
    api.state.onSubmit = succeed;
    api.state.logs = "step 1\n";
    const model = await leave();
    expect(await train()).toEqual({
      model: { digest: model, sizeBytes: 7 },
      metrics: { loss: 0.5 },
      log: join(folder, "run", "trainer.log"),
      lock: (await task()).request.locks["3.12"],
      python: "3.12.4",
      networkBlocked: false,
      isolation: "none",
      backend: { kind: "ray", version: "2.60.0", region: "eu-west-1", owner: "self" },
    });
    expect(await logged()).toBe("step 1\n");
    const [name = ""] = api.packages.keys();
    expect(api.submissions).toEqual([
      {
        entrypoint: "python3 portolan_job.py",
        submission_id: runId,
        runtime_env: {
          working_dir: `gcs://${name}`,
          pip: {
            packages: [lock.trim()],
            pip_check: false,
            pip_install_options: [
              "--disable-pip-version-check",
              "--require-hashes",
              "--no-deps",
              "--only-binary=:all:",
            ],
          },
        },
        metadata: { portolan_run: runId },
      },
    ]);
  });

  test("its token is in its package, and in nothing that the Jobs API shows", async () => {
    api.state.onSubmit = succeed;
    await leave();
    await train();
    const [bytes] = api.packages.values();
    expect(bytes?.includes("ptr_secret_1")).toBe(true);
    expect(JSON.stringify(api.submissions) + api.asked.join()).not.toContain("ptr_");
  });

  test("one that is there already is taken up, with its credential and its log as they are", async () => {
    api.jobs.set(runId, { submission_id: runId, status: "RUNNING", start_time: systemClock.now() / 1000 });
    api.state.logs = "one\n";
    const first = train();
    await expect.poll(logged, { timeout: 20_000 }).toBe("one\n");
    stop.abort();
    await expect(first).rejects.toMatchObject({ code: "training.interrupted" });
    // Nobody told the job anything, and it went on.
    expect(api.jobs.get(runId)?.status).toBe("RUNNING");
    stop = new AbortController();
    api.state.logs = "one\ntwo\n";
    api.jobs.set(runId, { submission_id: runId, status: "SUCCEEDED" });
    await leave();
    await train();
    expect(await logged()).toBe("one\ntwo\n");
    expect([api.submissions, grants]).toEqual([[], 0]);
  });

  test("has begun where the cluster has its job; one that was never sent, or has to be sent anew, has not", async () => {
    expect(await backend().hasBegun(runId)).toBe(false);
    for (const [job, has] of [
      [{ status: "PENDING" }, true],
      [{ status: "RUNNING" }, true],
      [{ status: "SUCCEEDED" }, true],
      [{ status: "FAILED", driver_exit_code: 1 }, true],
      [{ status: "FAILED", driver_exit_code: -9 }, false],
      [{ status: "STOPPED" }, false],
    ] as const) {
      api.jobs.set(runId, { submission_id: runId, ...job });
      expect(await backend().hasBegun(runId), JSON.stringify(job)).toBe(has);
    }
    api.state.status = 503;
    await expect(backend().hasBegun(runId)).rejects.toMatchObject({ code: "training.cluster_unreachable" });
  });

  test("one that was lost is sent anew with a new credential; its log goes on below the old one", async () => {
    const lost: Job = { submission_id: runId, status: "FAILED", driver_exit_code: -9 };
    api.jobs.set(runId, lost);
    await writeFile(join(folder, "run", "trainer.log"), "of the first\n");
    api.state.logs = "of the second\n";
    api.state.onSubmit = succeed;
    await leave();
    await train();
    expect([api.submissions.length, grants]).toEqual([1, 1]);
    expect(await logged()).toBe("of the first\nof the second\n");
  });

  test.each([
    ["lost while it runs", { status: "FAILED", driver_exit_code: -9 }, "training.interrupted"],
    ["stopped on the cluster", { status: "STOPPED" }, "training.interrupted"],
    ["that ended by itself", { status: "FAILED", driver_exit_code: 3 }, "training.trainer_failed"],
    [
      "without an environment",
      { status: "FAILED", error_type: "RUNTIME_ENV_SETUP_FAILURE" },
      "training.environment_failed",
    ],
  ])("one %s is told as that", async (_, standing, code) => {
    api.state.onSubmit = (job) => void Object.assign(job, standing);
    await expect(train()).rejects.toMatchObject({ code });
  });

  test("one that the cluster forgot while it ran is told as that", async () => {
    api.state.onSubmit = () => api.jobs.clear();
    await expect(train()).rejects.toMatchObject({
      code: "training.interrupted",
      detail: expect.stringContaining("does not know the job any more") as string,
    });
  });

  test("one that takes longer than its limit is stopped", async () => {
    // It started when the epoch did.
    await expect(train()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: expect.stringContaining("longer than its limit") as string,
    });
    expect(api.jobs.get(runId)?.status).toBe("STOPPED");
  });

  test.each([
    [401, "training.cluster_refused", "RAY_TOKEN"],
    [418, "training.cluster_refused", "RAY_ADDRESS"],
    [500, "training.cluster_unreachable", "asked again"],
    [503, "training.cluster_unreachable", "asked again"],
  ])("a cluster that answers %i is %s, with how to mend it", async (status, code, mend) => {
    api.state.status = status;
    await expect(train()).rejects.toMatchObject({ code, mend: expect.stringContaining(mend) as string });
  });

  test("one that does nothing is stopped once that is decided, and not before; what cannot be seen is said to be", async () => {
    const seen: unknown[] = [];
    api.state.onSubmit = (job) =>
      Object.assign(job, { driver_node_id: "head", start_time: systemClock.now() / 1000 });
    const look: BackendTask["look"] = async (read) => {
      seen.push(await read());
      expect(api.jobs.get(runId)?.status).toBe("RUNNING");
      api.state.nodes = { head: { now: 1, cpu: 1, cpus: [4, 2], workers: [] } };
      return seen.length === 2 ? "it used next to nothing" : undefined;
    };
    await expect(backend().train({ ...(await task()), look })).rejects.toMatchObject({
      code: "training.interrupted",
      detail: "the job was stopped: it used next to nothing",
    });
    expect(seen).toEqual([undefined, { busyCores: 0.04 }]);
    expect(api.jobs.get(runId)?.status).toBe("STOPPED");
    // What cannot be judged goes on: a database that is away is no reason to give it up.
    api.state.onSubmit = succeed;
    await leave();
    const away: BackendTask["look"] = () => Promise.reject(new Error("away"));
    expect(await backend().train({ ...(await task()), look: away })).toMatchObject({
      metrics: { loss: 0.5 },
    });
  });

  test("a cluster that is away is one clear sentence", async () => {
    const away = backend();
    const given = await task();
    await api.close();
    await expect(away.train(given)).rejects.toMatchObject({
      code: "training.cluster_unreachable",
      detail: expect.stringContaining(api.address) as string,
    });
    api = await openJobsApi();
  });

  test("the operator's token is sent with every request", async () => {
    await backend({ token: new Secret("key") }).stop(runId);
    expect(api.asked).toEqual([`POST /api/jobs/${runId}/stop Bearer key`]);
  });

  test("stopping a job that there is not, or again, is as wanted", async () => {
    await backend().stop(runId);
    api.jobs.set(runId, { submission_id: runId, status: "RUNNING" });
    await backend().stop(runId);
    await backend().stop(runId);
    expect(api.jobs.get(runId)?.status).toBe("STOPPED");
  });

  test("outputs that are not what the manifest names, of another run or too large are not taken", async () => {
    api.state.onSubmit = succeed;
    const other = `sha256:${"b".repeat(64)}` as Digest;
    const spoil = async (doing: () => Promise<unknown>, detail: string): Promise<void> => {
      files.clear();
      await leave();
      await doing();
      await expect(train()).rejects.toMatchObject({
        code: "training.trainer_failed",
        detail: expect.stringContaining(detail) as string,
      });
    };
    await spoil(() => leave({ model: other }), "not what its manifest.json names");
    await spoil(() => leave({ run: "run_of_another" }), "not one of this run");
    await spoil(() => log("manifest.json", Buffer.from("no")), "not one of this run");
    await spoil(() => Promise.resolve(files.delete("portolan/metrics.json")), "left no metrics.json");
    await spoil(() => log("model.onnx", Buffer.alloc(2 ** 20 + 1)), "bytes");
    // They are the cluster's last word, each time.
    expect(api.submissions).toHaveLength(1);
  });

  test("inputs beyond what a dashboard takes are refused before anything is sent", async () => {
    await truncate(join(folder, "set.parquet"), 97 * 2 ** 20);
    await expect(train()).rejects.toMatchObject({ code: "training.inputs_too_large" });
    expect([api.packages.size, api.submissions]).toEqual([0, []]);
  });

  test("a run without a lock for the cluster's Python is refused before anything is asked", async () => {
    const given = await task();
    const request = { ...given.request, locks: { "3.11": given.request.locks["3.12"] ?? "" } };
    await expect(backend().train({ ...given, request })).rejects.toMatchObject({
      code: "training.no_python",
    });
    expect(api.asked).toEqual([]);
  });
});
