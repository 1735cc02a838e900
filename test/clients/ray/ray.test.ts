import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findPython, pythonMinors, type TrainingRunView } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../../apps/cli/src/supervisor/ports.ts";
import { must } from "../../../apps/control/test/api.ts";
import {
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
} from "../../../apps/control/test/team-world.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { endProcess, type RayCluster, startRayCluster } from "./ray-cluster.ts";

/** Ray itself, from PyPI: training runs as jobs of a cluster of two nodes. */
const python = await pythonClient("ray");
const program = readFile(join(import.meta.dirname, "../../../examples/ray/train.py"));

/** Weights of a run on several workers beside those of one: the parts and the order of their sum are the same. */
const tolerance = 1e-12;

/** A row a minute over two days. */
const csv = `seen_at,place,wait\n${Array.from({ length: 2880 }, (_, n) => {
  const at = new Date(Date.UTC(2026, 2, 1) + n * 60_000).toISOString().replace(".000Z", "Z");
  return `${at},${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
}).join("\n")}\n`;

describe.skipIf(python === undefined)("training runs on a Ray cluster", () => {
  let cluster: RayCluster;
  let world: TeamWorld;
  let work: TeamWork;
  let minor: string;
  beforeAll(async () => {
    const interpreter = python ?? "";
    const base = await findPython([interpreter], pythonMinors, { PATH: process.env["PATH"] ?? "" });
    minor = base.minor;
    cluster = await startRayCluster(interpreter);
    const port = await freePort();
    world = await openTeamWorld({
      RAY_ADDRESS: cluster.address,
      RAY_CONTROL_URL: `http://127.0.0.1:${port}`,
      RAY_PYTHON: minor,
      RAY_REGION: "local",
      RAY_OWNER: "self",
    });
    await world.control.listen(port);
    work = await prepareData(world, csv);
  });
  afterAll(async () => {
    await world?.control.close();
    await cluster?.close();
  });

  /** Starts a run; resolves to its id. */
  async function start(params: Readonly<Record<string, number>>): Promise<string> {
    const { place, trainingSet } = work;
    const upload = async (bytes: Uint8Array) => world.upload("sam", place, bytes);
    // The cluster's own environment holds what the program needs.
    const locks = { [minor]: await upload(Buffer.from("# nothing beside the cluster's\n")) };
    const asked = { ...place, trainingSetId: trainingSet, code: await upload(await program), locks };
    const body = { ...asked, params: { steps: 200, ...params }, seed: 7, backend: "ray" };
    return String((await world.post("sam", "/v1/training-runs", body))["id"]);
  }

  async function runOf(id: string): Promise<TrainingRunView> {
    return (await world.get("sam", `/v1/training-runs/${id}`)).body as unknown as TrainingRunView;
  }

  /** What the trainer has written so far, by the API. */
  async function logOf(id: string): Promise<string> {
    return String((await world.get("sam", `/v1/training-runs/${id}/logs`)).body["log"]);
  }

  async function until<T>(read: () => Promise<T | undefined>, what: string): Promise<T> {
    for (let waitedMs = 0; waitedMs < 200_000; waitedMs += 200) {
      const found = await read();
      if (found !== undefined) return found;
      await delay(200);
    }
    throw new Error(`${what} never came`);
  }

  const ended = (id: string) =>
    until(async () => {
      const run = await runOf(id);
      return run.state === "succeeded" || run.state === "failed" || run.state === "cancelled"
        ? run
        : undefined;
    }, `the end of ${id}`);

  const workerIn = (id: string, rank: number) =>
    until(async () => {
      const found = new RegExp(`worker ${rank} is process (\\d+) on node (\\w+)`).exec(await logOf(id));
      return found ? { pid: Number(found[1]), node: found[2] } : undefined;
    }, `worker ${rank} of ${id}`);

  const jobsOf = async (id: string) => {
    const jobs = (await cluster.ask("/api/jobs/")) as { submission_id: string; status: string }[];
    return jobs.filter((job) => job.submission_id === id);
  };

  test("two workers on two nodes give the weights of one, through the loss of a worker and of the server", async () => {
    const worker = await world.control.startJobs();
    const one = await start({ workers: 1 });
    const single = await ended(one);
    expect(single.failure).toBeUndefined();
    const two = await start({ workers: 2, pause_seconds: 0.05 });
    const [first, second] = [await workerIn(two, 0), await workerIn(two, 1)];
    expect(first.node).not.toBe(second.node);
    endProcess(second.pid);
    await until(
      async () => ((await logOf(two)).includes("worker 1 was lost") ? true : undefined),
      "the loss",
    );
    // The server stops waiting, as when it is killed; the job goes on, and the next one takes it up.
    await worker.stop();
    const next = await world.control.startJobs();
    const pair = await ended(two);
    await next.stop();
    expect(pair.failure).toBeUndefined();
    expect(await jobsOf(two)).toHaveLength(1);

    const [a, b] = [single.result, pair.result];
    if (!a || !b) throw new Error("a run succeeded without a result");
    expect(b.metrics["lost_workers"]).toBe(1);
    expect(a.metrics["training_rows"]).toBe(1440);
    for (const name of ["weight_0", "weight_1", "weight_2", "weight_3", "log_loss"])
      expect(Math.abs(Number(a.metrics[name]) - Number(b.metrics[name]))).toBeLessThanOrEqual(tolerance);
    expect(b.model).toBe(a.model);
    expect(b).toMatchObject({
      isolation: "none",
      networkBlocked: false,
      backend: { kind: "ray", version: "2.60.0", region: "local", owner: "self" },
    });
    // What everybody who may list jobs sees holds no credential.
    expect(JSON.stringify(await cluster.ask("/api/jobs/"))).not.toContain("ptr_");
    expect(await logOf(two)).toContain("step 200/200");
    const lineage = { origin: "trained", trainingRunId: two };
    const push = { useCaseId: work.place.useCaseId, artifact: b.model, lineage };
    await world.post("pipeline", "/v1/models/waits/versions", push);
  });

  test("a cancelled run's job is stopped on the cluster", async () => {
    const worker = await world.control.startJobs();
    const id = await start({ workers: 1, steps: 100_000, pause_seconds: 0.1 });
    await workerIn(id, 0);
    const { jobs } = (await world.get("ada", "/v1/jobs")).body as { jobs: { id: string; state: string }[] };
    const job = jobs.find(({ state }) => state === "running");
    await must(world.control, "POST", `/v1/jobs/${job?.id}/cancellation`, {}, await world.as("ada"));
    expect((await ended(id)).state).toBe("cancelled");
    await worker.stop();
    await world.control.runIntents();
    await until(async () => ((await jobsOf(id))[0]?.status === "STOPPED" ? true : undefined), "the stop");
  });
});
