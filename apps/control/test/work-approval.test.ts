import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { createJobQueue } from "@portolan/database";
import { logisticModel } from "@portolan/onnx-format/testing";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openJobsApi } from "../../../packages/ray/test/jobs-api.ts";
import { type Answer, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { prepareScoring, type ScoringWorld } from "./scoring-world.ts";
import { visitsSet, visitsView } from "./visits.ts";

let control: InProcessControl;
let world: ScoringWorld;
let ray: Awaited<ReturnType<typeof openJobsApi>>;
let place: { readonly environment: "dev"; readonly useCaseId: string };
let training: object;

const bounded = (size: string) => `${readTemplate("flight-delays")}\ncapacity: { approvalAbove: ${size} }\n`;
const charter = bounded("{ gpus: 4, gpuHours: 3, cpu: 2 }");
const quotas =
  "version: 1\nbusinessUnits:\n  - name: operations\n    teams:\n      - name: network-planning\n        quotas: { cpu: 4 }\n";

async function call(method: "GET" | "POST", path: string, as: string, body?: object): Promise<Answer> {
  return control.call(method, path, body, await control.token(as));
}
const approve = (id: string, as: string) => call("POST", `/v1/queue/${id}/approval`, as, {});
const refuse = (id: string, as: string, reason = "two cores are enough") =>
  call("POST", `/v1/queue/${id}/refusal`, as, { reason });

async function score(out: string, cpu: string, as = "sam"): Promise<string> {
  const asked = { environment: "dev", model: "waits", version: 1, datasetId: world.datasetId, out };
  const body = { ...asked, purpose: "staff-planning", columns: ["wait"], resources: { cpu } };
  return String((await world.post("/v1/scorings", body, as))["id"]);
}
const train = async (more: object, as = "sam"): Promise<string> =>
  String((await world.post("/v1/training-runs", { ...training, ...more }, as))["id"]);

type Stand = { readonly state: string; readonly failure?: string; readonly queue?: Record<string, unknown> };
async function standOf(id: string): Promise<Stand> {
  const path = id.startsWith("run") ? `/v1/training-runs/${id}` : `/v1/scorings/${id}`;
  return (await call("GET", path, "sam")).body as unknown as Stand;
}
async function until(id: string, state: string): Promise<Stand> {
  for (let waited = 0; ; waited += 50) {
    const stand = await standOf(id);
    if (stand.state === state) return stand;
    if (waited > 10_000) throw new Error(JSON.stringify(stand));
    await sleep(50);
  }
}
const untilAwaited = async (id: string): Promise<Stand> => {
  for (let waited = 0; ; waited += 50) {
    const stand = await standOf(id);
    if (stand.queue?.["reason"] === "awaits-approval") return stand;
    if (waited > 10_000) throw new Error(JSON.stringify(stand));
    await sleep(50);
  }
};
const rowsOf = (query: string): Promise<readonly Record<string, unknown>[]> =>
  control.database.session((session) => session.query<Record<string, unknown>>(query));

/** As its minute does. */
async function wakeJobs(): Promise<void> {
  const actor = aCall({});
  const open = await rowsOf("select id from database.job_runs where state = 'waiting'");
  const jobs = createJobQueue(control.database);
  await control.work.write(actor, (tx) =>
    jobs.wake(
      tx,
      open.map(({ id }) => String(id)),
    ),
  );
}

beforeAll(async () => {
  ray = await openJobsApi();
  control = await openControl({
    RAY_ADDRESS: ray.address,
    RAY_CONTROL_URL: "http://127.0.0.1:1",
    RAY_PYTHON: "3.12",
    RAY_REGION: "local",
    RAY_OWNER: "self",
  });
  world = await prepareScoring(control, charter);
  const { useCaseId } = world.acme;
  place = { environment: "dev", useCaseId };
  const max = await control.token("max");
  await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView }, max);
  const trainingSetId = String((await world.post("/v1/training-sets", visitsSet(place), "max"))["id"]);
  await control.runJobs(control.jobs.data);
  const upload = `/v1/artifacts?environment=dev&useCaseId=${useCaseId}`;
  const { digest } = await world.post(upload, Buffer.from(logisticModel([0.5], 0.1)));
  const lineage = { origin: "imported", source: "model.onnx" };
  await world.post("/v1/models/waits/versions", { ...place, artifact: digest, lineage });
  const { digest: code } = await world.post(upload, Buffer.from("print('never begins')\n"), "max");
  training = { ...place, trainingSetId, code, locks: { "3.12": code }, params: {}, seed: 7 };
});
afterAll(async () => {
  await control.close();
  await ray.close();
});

test("without quotas too, what asks for more than the charter's size waits until somebody else approves it; what asks for as much does not", async () => {
  const [small, large] = [await score("small", "2"), await score("large", "2.001")];
  const worker = await control.startJobs();
  onTestFinished(() => worker.stop());
  expect((await until(small, "ready")).queue).toBeUndefined();
  const awaited = { state: "awaited", for: "2.001 CPU, above 2" };
  expect(await standOf(large)).toMatchObject({
    state: "waiting",
    queue: { state: "waiting", reason: "awaits-approval", request: ["2.001 CPU"], approval: awaited },
  });
  const { items } = (await call("GET", "/v1/queue", "sam")).body as { items: readonly object[] };
  expect(items).toMatchObject([{ id: large, queue: { reason: "awaits-approval" } }]);
  const check = (resources: object) =>
    call("POST", "/v1/queue/check", "sam", { kind: "scoring", ...place, resources });
  expect((await check({ cpu: "3" })).body).toMatchObject({
    verdict: "waits",
    queue: { approval: { for: "3 CPU, above 2" } },
  });
  expect((await check({ cpu: "2" })).body).toMatchObject({ verdict: "begins" });
  const gpus = [{ model: "a100", count: 2 }];
  expect((await check({ gpus, timeLimitSeconds: 5400 })).body).toMatchObject({ verdict: "begins" });
  expect((await check({ gpus, timeLimitSeconds: 5401 })).body).toMatchObject({
    queue: { approval: { for: "3.0006 GPU hours, above 3" } },
  });
  expect((await check({ gpus })).body).toMatchObject({
    queue: { approval: { for: "2 cards without a time limit, above 3 GPU hours" } },
  });
  expect((await check({ gpus, timeLimitSeconds: 0.5 })).status).toBe(400);

  // Who works may not approve, who may not read does not learn that there is anything.
  expect((await approve(large, "sam")).status).toBe(403);
  const elsewhere = await control.token("lea", ["staging"]);
  for (const id of [large, `sco_${"0".repeat(26)}`]) {
    const hidden = await control.call("POST", `/v1/queue/${id}/approval`, {}, elsewhere);
    expect([hidden.status, hidden.body["code"]]).toEqual([404, "capacity.work_not_found"]);
  }
  const approved = await approve(large, "lea");
  expect([approved.status, approved.body]).toMatchObject([200, { approval: { state: "approved" } }]);
  expect((await until(large, "ready")).queue).toMatchObject({
    state: "ended",
    approval: { state: "approved" },
  });
  const again = await refuse(large, "ron");
  expect([again.status, again.body["code"]]).toEqual([409, "capacity.approval_settled"]);
  expect(
    await rowsOf(
      `select event from ledger.rows where subject = '${large}' and event like 'capacity.%' order by event`,
    ),
  ).toEqual([{ event: "capacity.approval.approved" }, { event: "capacity.approval.asked" }]);
});

test("a charter that comes to let work begin lets go what waits, and one that comes to hold it back holds what has not begun; what was approved stays so", async () => {
  let worker = await control.startJobs();
  onTestFinished(() => worker.stop());
  await putInForce(control, bounded("{ cpu: 1 }"));
  const [waits, approved] = [await score("waits", "2"), await score("approved", "3")];
  await untilAwaited(waits);
  await untilAwaited(approved);
  await worker.stop();
  expect((await approve(approved, "ron")).status).toBe(200);
  await putInForce(control, bounded("{ cpu: 2 }"));
  worker = await control.startJobs();
  await wakeJobs();
  expect((await until(waits, "ready")).queue?.["approval"], "nobody is asked any more").toBeUndefined();
  // Above the new size too: it was approved for what it asks, and that has not changed.
  expect((await until(approved, "ready")).queue?.["approval"]).toMatchObject({ state: "approved" });
  await worker.stop();
  const held = await score("held", "2");
  expect(await standOf(held)).not.toHaveProperty("queue");
  await putInForce(control, bounded("{ cpu: 1.5 }"));
  worker = await control.startJobs();
  expect((await untilAwaited(held)).queue?.["approval"]).toMatchObject({ for: "2 CPU, above 1.5" });
  await refuse(held, "ron");
  await until(held, "cancelled");
});

test("a run on Ray asks by the same way: nothing is sent before it may begin, and then its job has its limit", async () => {
  await putInForce(control, bounded("{ gpuHours: 3 }"));
  const worker = await control.startJobs();
  onTestFinished(() => worker.stop());
  const gpus = [{ model: "a100", count: 2 }];
  const upload = `/v1/artifacts?environment=dev&useCaseId=${place.useCaseId}`;
  const { digest } = await world.post(upload, Buffer.from("# nothing is locked\n"), "max");
  const there = { backend: "ray", locks: { "3.12": digest } };
  const small = await train({ ...there, resources: { gpus, timeLimitSeconds: 1800 } });
  const open = await train({ ...there, resources: { gpus } });
  expect((await untilAwaited(open)).queue?.["approval"]).toMatchObject({
    for: "2 cards without a time limit, above 3 GPU hours",
  });
  for (let waited = 0; ray.submissions.length === 0 && waited < 10_000; waited += 50) await sleep(50);
  expect(ray.submissions.map(({ submission_id }) => submission_id)).toEqual([small]);
  const [sent] = [...ray.packages.values()];
  expect(sent?.includes('"timeout_seconds":1800}'), "of the job").toBe(true);
  const reason = "state how long it takes";
  expect((await refuse(open, "ron", reason)).status).toBe(200);
  expect((await until(open, "cancelled")).failure).toContain(reason);
  expect(ray.submissions).toHaveLength(1);
  const job = ray.jobs.get(small);
  if (job) job.status = "FAILED";
  await until(small, "failed");
  await putInForce(control, charter.replace("gpus: 4", "gpus: 5"));
});

test("what awaits approval takes nothing of the quota, outlives the process, and ends with the reason of who refuses it, never by its submitter's word", async () => {
  const body = { file: "quotas.yaml", quotas };
  await must(control, "PUT", "/v1/quotas", body, await control.token("ada"));
  const held = await train({ resources: { cpu: "4" } }, "lea");
  const own = [await approve(held, "lea"), await refuse(held, "lea")];
  expect(own.map((answer) => [answer.status, answer.body["code"]])).toEqual([
    [403, "capacity.not_approver"],
    [403, "capacity.not_approver"],
  ]);
  const behind = await score("behind", "2");
  expect((await call("GET", "/v1/pool-status", "lea")).body).toMatchObject({
    teams: [{ waiting: 1, awaitingApproval: 1, running: 1, resources: [{ used: { amount: 2000 } }] }],
  });
  const before = await control.startJobs();
  await until(behind, "ready");
  await before.stop();
  const worker = await control.startJobs();
  onTestFinished(() => worker.stop());
  await sleep(300);
  expect(await standOf(held)).toMatchObject({ state: "waiting", queue: { reason: "awaits-approval" } });
  expect((await refuse(held, "ron", "  ")).status).toBe(400);
  const refused = await refuse(held, "ron");
  expect([refused.status, refused.body]).toMatchObject([
    200,
    { state: "ended", approval: { state: "refused", reason: "two cores are enough" } },
  ]);
  const { failure } = await until(held, "cancelled");
  expect(failure).toMatch(/^usr_\w+ refused that it begins: two cores are enough$/);
  expect((await approve(held, "ron")).body["code"]).toBe("capacity.approval_settled");
  // Approved it waits for its part, and has it once there is room.
  const [next, first] = [await train({ resources: { cpu: "3" } }), await train({ resources: { cpu: "4" } })];
  expect((await approve(first, "ron")).body).toMatchObject({ state: "admitted" });
  expect((await approve(next, "lea")).body).toMatchObject({ state: "waiting", reason: "no-room" });
  const [refusal] = await rowsOf(
    `select convert_from(payload, 'utf8') as said from ledger.rows where event = 'capacity.approval.refused' and subject = '${held}'`,
  );
  expect(refusal?.["said"]).toContain('"reason":"two cores are enough"');
});
