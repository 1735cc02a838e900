import { expect, test } from "vitest";
import { jobUse, type SeenNode } from "./job-use.ts";

const mine = "02000000";
type Worker = SeenNode["detail"]["workers"][number];
const worker = (jobId: string, cpuPercent: number, title = "ray::A.work"): Worker => ({
  jobId,
  cpuPercent,
  cmdline: [title, "", ""],
});
/** A machine of eight processors. */
const machine = (
  id: string,
  cpu: number,
  workers: readonly Worker[] = [],
  cards?: readonly number[],
): SeenNode => ({
  id,
  detail: {
    now: 1,
    cpu,
    cpus: [8, 4],
    workers: [...workers],
    ...(cards ? { gpus: cards.map((utilizationGpu) => ({ utilizationGpu })) } : {}),
  },
});
const job = { driver_node_id: "head" };
const others = new Set(["05000000"]);
const use = (...nodes: readonly SeenNode[]) => jobUse(job, others, nodes);

test("what a worker's own children do counts: Ray says 0 % of the worker, and a core of the machine", () => {
  const busy = machine("n1", 12.5, [worker(mine, 0)]);
  expect(use(machine("head", 0), busy)).toEqual({ busyCores: 1 });
});

test("machines of others alone, and what workers of others take beside it, are not the job's", () => {
  const beside = machine("n1", 50, [
    worker(mine, 10),
    worker("05000000", 200),
    worker("ffffffff", 50, "ray::IDLE"),
  ]);
  const elsewhere = machine("n2", 100, [worker("05000000", 800)], [100]);
  expect(use(machine("head", 2.5), beside, elsewhere)).toEqual({ busyCores: 0.2 + 1.5 });
  // More than the machine does is a difference of two looks, and no debt.
  expect(use(machine("head", 0, [worker("05000000", 90)]))).toEqual({ busyCores: 0 });
});

test("a job that is not known may be another driver of the run, and is counted as such", () => {
  expect(use(machine("head", 0), machine("n1", 25, [worker("03000000", 200)]))).toEqual({ busyCores: 2 });
});

test("Ray's agents are nobody's, and cards are those of the busiest of its machines", () => {
  const agents = [worker("01000000", 8, "ray::DashboardAgent"), worker("ffff", 4, "ray::RuntimeEnvAgent")];
  expect(use(machine("head", 1.5, agents, [0, 7]), machine("n1", 40, agents, [90]))).toEqual({
    busyCores: 0,
    busiestCard: 7,
  });
});

test("where the driver's machine is not known, or is gone, nobody knows what it uses", () => {
  expect(jobUse({}, others, [machine("head", 0)])).toBeUndefined();
  expect(jobUse({ driver_node_id: null }, others, [machine("head", 0)])).toBeUndefined();
  expect(use(machine("n1", 0, [worker(mine, 0)]))).toBeUndefined();
});
