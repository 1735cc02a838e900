import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JobUseReader } from "../src/job-use.ts";
import { RayClient } from "../src/ray-client.ts";
import { openJobsApi } from "./jobs-api.ts";

const runId = "run_01m8aaaaaaaaaaaaaaaaaaaaaa";
const mine = { submission_id: runId, status: "RUNNING", job_id: "02000000", driver_node_id: "head" };
const machine = (now: number, workers: readonly object[] = []) => ({
  now,
  cpu: 50,
  cpus: [4, 2],
  workers,
  gpus: [],
});

let api: Awaited<ReturnType<typeof openJobsApi>>;
let client: RayClient;
beforeEach(async () => {
  api = await openJobsApi();
  client = new RayClient({ address: api.address });
  api.jobs.set(runId, mine);
  api.jobs.set("other", { submission_id: "other", status: "RUNNING", job_id: "05000000" });
});
afterEach(() => api.close());

test("what a job can use is read from its machines, without what other submissions take there", async () => {
  const beside = [{ jobId: "05000000", cpuPercent: 150, cmdline: ["ray::B"] }];
  api.state.nodes = { head: machine(1, beside), n1: machine(1, beside) };
  expect(await new JobUseReader(client, runId).read(mine)).toEqual({ busyCores: 0.5 });
});

test("a machine whose agent says nothing new is not seen, until it does", async () => {
  const reader = new JobUseReader(client, runId, 100);
  api.state.nodes = { head: machine(1) };
  expect(await reader.read(mine)).toEqual({ busyCores: 2 });
  await delay(150);
  expect(await reader.read(mine)).toBeUndefined();
  api.state.nodes = { head: machine(2) };
  expect(await reader.read(mine)).toEqual({ busyCores: 2 });
});

test("answers of another form, and a machine that does not tell, are nothing seen", async () => {
  const reader = new JobUseReader(client, runId);
  api.state.nodes = { head: machine(1), n1: { cpu: "much" } };
  expect(await reader.read(mine)).toBeUndefined();
  api.state.nodes = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`n${index}`, machine(1)]));
  expect(await reader.read(mine), "more than it is asked for").toBeUndefined();
});
