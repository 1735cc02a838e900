import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Answer, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { prepareScoring, type ScoringWorld } from "./scoring-world.ts";
import { visitsSet, visitsView } from "./visits.ts";

let control: InProcessControl;
let world: ScoringWorld;
let place: { readonly environment: "dev"; readonly useCaseId: string };
let training: object;

const charter = `${readTemplate("flight-delays")}\ncapacity: { approvalAbove: { gpus: 4, gpuHours: 3, cpu: 2 } }\n`;
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
const rowsOf = (query: string): Promise<readonly Record<string, unknown>[]> =>
  control.database.session((session) => session.query<Record<string, unknown>>(query));

beforeAll(async () => {
  control = await openControl();
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
afterAll(() => control.close());

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
    queue: { approval: { for: "3.001 GPU hours, above 3" } },
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
    "select subject, convert_from(payload, 'utf8') as said from ledger.rows where event = 'capacity.approval.refused'",
  );
  expect(refusal?.["subject"]).toBe(held);
  expect(refusal?.["said"]).toContain('"reason":"two cores are enough"');
});
