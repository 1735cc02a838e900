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
import { openPipelineWorld } from "../../product/pipeline-world.ts";
import { endProcess, type RayCluster, startRayCluster } from "./ray-cluster.ts";

/** Ray itself, from PyPI: training runs as jobs of a cluster of two nodes. */
const python = await pythonClient("ray");
const program = readFile(join(import.meta.dirname, "../../../examples/ray/train.py"));

/** Weights of a run on several workers beside those of one: the parts and the order of their sum are the same. */
const tolerance = 1e-12;

/** A worker that rests while a process that it started works: of the worker Ray says 0 %. */
const busyChild = `import subprocess, sys, time
import ray
ray.init()
burn = "import time; end = time.time() + 90\\nwhile time.time() < end: pass"
@ray.remote(num_cpus=1)
class Worker:
    def hold(self):
        subprocess.Popen([sys.executable, "-c", burn])
        time.sleep(600)
held = Worker.remote().hold.remote()
print("a child works", flush=True)
ray.get(held)
`;

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
    const [port, dashboard] = [await freePort(), await freePort()];
    const starting = startRayCluster(interpreter, dashboard);
    world = await openTeamWorld({
      RAY_ADDRESS: `http://127.0.0.1:${dashboard}`,
      RAY_CONTROL_URL: `http://127.0.0.1:${port}`,
      RAY_PYTHON: minor,
      RAY_REGION: "local",
      RAY_OWNER: "self",
    });
    await world.control.listen(port);
    work = await prepareData(world, csv);
    cluster = await starting;
  });
  afterAll(async () => {
    await world?.control.close();
    await cluster?.close();
  });

  /** Starts a run; resolves to its id. */
  async function start(
    params: Readonly<Record<string, number>>,
    more: { readonly code?: Buffer; readonly resources?: object } = {},
  ): Promise<string> {
    const { place, trainingSet } = work;
    const { code = await program, resources } = more;
    const upload = async (bytes: Uint8Array) => world.upload("sam", place, bytes);
    const locks = { [minor]: await upload(Buffer.from("# the cluster's environment holds all\n")) };
    const asked = {
      ...place,
      trainingSetId: trainingSet,
      code: await upload(code),
      ...(resources ? { resources } : {}),
      locks,
    };
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

  /** Of each job that was submitted, by its id. */
  const standings = async (): Promise<Record<string, string>> => {
    const jobs = (await cluster.ask("/api/jobs/")) as { submission_id?: string; status: string }[];
    const ids = jobs.flatMap(({ submission_id: id, status }) => (id ? [[id, status] as const] : []));
    expect(new Set(ids.map(([id]) => id)).size).toBe(ids.length);
    return Object.fromEntries(ids);
  };

  async function cancel(id: string): Promise<void> {
    const { jobs } = (await world.get("ada", "/v1/jobs?queue=training.run")).body as {
      jobs: { id: string; key?: string }[];
    };
    const job = jobs.find(({ key }) => key === id);
    await must(world.control, "POST", `/v1/jobs/${job?.id}/cancellation`, {}, await world.as("ada"));
  }

  test("two workers on two nodes give the weights of one, through the loss of a worker and a restart of the server's jobs", async () => {
    const worker = await world.control.startJobs();
    const two = await start({ workers: 2, pause_seconds: 0.1 });
    const [one, cancelled] = [await start({ workers: 1 }), await start({ workers: 1, pause_seconds: 60 })];
    const [first, second] = [await workerIn(two, 0), await workerIn(two, 1)];
    expect(first.node).not.toBe(second.node);
    endProcess(second.pid);
    await until(
      async () => ((await logOf(two)).includes("worker 1 was lost") ? true : undefined),
      "the loss",
    );
    // The server's worker stops, in order and not by a signal; the jobs go on, and the next one takes them up.
    await worker.stop();
    expect((await standings())[two]).toBe("RUNNING");
    const next = await world.control.startJobs();
    await workerIn(cancelled, 0);
    await cancel(cancelled);
    const [pair, single] = [await ended(two), await ended(one)];
    expect((await ended(cancelled)).state).toBe("cancelled");
    await next.stop();
    await world.control.runIntents();
    expect([single.failure, pair.failure]).toEqual([undefined, undefined]);

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
    expect(await logOf(two)).toContain("step 200/200");
    const lineage = { origin: "trained", trainingRunId: two };
    const push = { useCaseId: work.place.useCaseId, artifact: b.model, lineage };
    await world.post("pipeline", "/v1/models/waits/versions", push);

    // One job a run, whatever became of the server; the cancelled one is stopped.
    await until(async () => ((await standings())[cancelled] === "STOPPED" ? true : undefined), "the stop");
    expect(await standings()).toEqual({ [one]: "SUCCEEDED", [two]: "SUCCEEDED", [cancelled]: "STOPPED" });
    // What everybody who may list jobs sees holds no credential.
    expect(JSON.stringify(await cluster.ask("/api/jobs/"))).not.toContain("ptr_");
  });

  test("a job that does nothing is told, stopped, and begins anew by a person's word; one whose worker has others work is not", async () => {
    // Of what a team asks for; both nodes are this machine, which is never idle by itself.
    const quotas = `version: 1
idle: { below: 50%, grace: 1s, window: 10s, notice: 5s, stops: all }
businessUnits: [{ name: operations, teams: [{ name: network-planning, quotas: { cpu: 1000 } }] }]
`;
    const ada = await world.as("ada");
    await must(world.control, "PUT", "/v1/quotas", { file: "quotas.yaml", quotas }, ada);
    const worker = await world.control.startJobs();
    const notice = async (id: string) => (await runOf(id)).queue?.idle?.notice;

    const busy = await start({}, { code: Buffer.from(busyChild), resources: { cpu: "1" } });
    await until(async () => ((await logOf(busy)).includes("a child works") ? true : undefined), "its child");
    for (let looks = 0; looks < 20; looks++) {
      expect(await notice(busy)).toBeUndefined();
      await delay(1_000);
    }
    await cancel(busy);
    expect((await ended(busy)).state).toBe("cancelled");

    const idle = await start({ workers: 1, pause_seconds: 600 }, { resources: { cpu: "1000" } });
    expect((await until(() => notice(idle), "the notice")).used).toMatch(/^\d(\.\d)? % of 1000 CPU$/);
    const stopped = await until(async () => {
      const run = await runOf(idle);
      return run.queue?.state === "stopped" ? run : undefined;
    }, "the stop");
    expect(stopped).toMatchObject({ state: "waiting", queue: { idle: { stopped: { freed: [] } } } });
    await until(async () => ((await standings())[idle] === "STOPPED" ? true : undefined), "Ray's stop");
    await delay(3_000);
    expect((await standings())[idle], "it does not come back by itself").toBe("STOPPED");
    await world.post("sam", `/v1/queue/${idle}/resumption`, {});
    await until(async () => ((await standings())[idle] === "RUNNING" ? true : undefined), "its next start");
    await cancel(idle);
    expect((await ended(idle)).state).toBe("cancelled");
    await worker.stop();
    await world.control.runIntents();
    await must(world.control, "DELETE", "/v1/quotas", undefined, ada);
  });

  test("a control that is killed while its job works takes it up again, and what it made while nobody was there", async () => {
    const port = await freePort();
    const env = {
      RAY_ADDRESS: cluster.address,
      RAY_CONTROL_URL: `http://127.0.0.1:${port}`,
      RAY_PYTHON: minor,
      RAY_REGION: "local",
      RAY_OWNER: "self",
    };
    const killed = await openPipelineWorld(minor, { port, env });
    try {
      const rounds = 40;
      const id = await killed.startTraining({ params: { rounds, pause: 0.5 }, backend: "ray" });
      const run = async () => (await killed.api(`/v1/training-runs/${id}`)) as unknown as TrainingRunView;
      const log = async () => {
        const { state, failure } = await run();
        if (state === "failed") throw new Error(JSON.stringify(failure));
        return killed.trainingLog(id);
      };
      const says = (text: string, read: () => Promise<string> = log) =>
        until(async () => ((await read()).includes(`${text}\n`) ? true : undefined), text);
      await says("round 2");
      await killed.killAndRestart();
      // It brings what the job said meanwhile, and what it goes on to say.
      await says("round 6");
      await killed.killAndRestart(async () => {
        const said = async () => {
          const { logs } = (await cluster.ask(`/api/jobs/${id}/logs`)) as { logs?: string };
          return logs ?? "";
        };
        await says(`round ${rounds}`, said);
      });
      const ended = await until(async () => {
        const now = await run();
        return now.state === "succeeded" || now.state === "failed" ? now : undefined;
      }, `the end of ${id}`);
      expect(ended.failure).toBeUndefined();
      expect(ended.result).toMatchObject({ metrics: { rounds }, backend: { kind: "ray" } });
      // One job, which began once and did each round once.
      expect((await standings())[id]).toBe("SUCCEEDED");
      const whole = await log();
      expect(whole.match(/starts at \d+/g)).toEqual(["starts at 0"]);
      expect(whole.match(/round \d+/g)).toEqual(Array.from({ length: rounds }, (_, at) => `round ${at + 1}`));
    } finally {
      await killed.close();
    }
  });
});
