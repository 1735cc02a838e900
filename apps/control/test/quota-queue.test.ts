import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Retraining } from "@portolan/retraining/contract";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Answer, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { prepareScoring, type ScoringWorld } from "./scoring-world.ts";
import { visitsCsv, visitsSet, visitsView } from "./visits.ts";

let control: InProcessControl;
let world: ScoringWorld;
let trainingSet: string;
let place: { readonly environment: "dev"; readonly useCaseId: string };

/** Works until it is told to stop, and leaves a checkpoint then; once it was stopped twice it ends. */
const program = `import json, os, signal, sys, time
from pathlib import Path
kept = Path(os.environ["PORTOLAN_CHECKPOINT"]) / "state"
def stop(*_):
    kept.write_text(stops + "x")
    sys.exit(1)
stops = kept.read_text() if kept.exists() else ""
signal.signal(signal.SIGTERM, stop)
print("at work", flush=True)
while len(stops) < 2:
    time.sleep(0.05)
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(b"whole")
(output / "metrics.json").write_text(json.dumps({"kept": 1}))
`;

const noLock = "# nothing is locked\n";
const minor = execFileSync("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], {
  encoding: "utf8",
}).trim();
/** Other rows, another model. */
const otherModel = `import base64, os, struct
from pathlib import Path
model = base64.b64decode("${Buffer.from(logisticModel([0.111, 0.2, 0.3], 0.1)).toString("base64")}")
size = os.path.getsize(os.environ["PORTOLAN_TRAINING_SET"])
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(model.replace(struct.pack("<f", 0.111), struct.pack("<f", size)))
(output / "metrics.json").write_text("{}")
`;

const quotas = (cpu: number, team = "network-planning"): string =>
  `version: 1\nbusinessUnits:\n  - name: operations\n    teams:\n      - name: ${team}\n        quotas: { cpu: ${cpu} }\n        preemption: { withinClusterQueue: lower-priority }\n`;
const cluster = { file: "cluster.yaml", text: "nodes:\n  - { cpu: 4 }\n" };

async function put(text: string, as = "ada"): Promise<Answer> {
  const body = { file: "quotas.yaml", quotas: text, cluster };
  return control.call("PUT", "/v1/quotas", body, await control.token(as));
}

async function score(out: string, more: object = {}): Promise<string> {
  const asked = { environment: "dev", model: "waits", version: 1, datasetId: world.datasetId };
  const body = { ...asked, purpose: "staff-planning", columns: ["wait"], out, ...more };
  return String((await world.post("/v1/scorings", body, "sam"))["id"]);
}

type Stand = Readonly<Record<string, unknown>> & {
  readonly state: string;
  readonly queue?: Readonly<Record<string, unknown>>;
};
async function standOf(id: string): Promise<Stand> {
  const path = id.startsWith("run") ? `/v1/training-runs/${id}` : `/v1/scorings/${id}`;
  return (await must(control, "GET", path, undefined, await control.token("max"))) as Stand;
}
async function until(id: string, is: (stand: Stand) => boolean): Promise<Stand> {
  for (let waited = 0; ; waited += 50) {
    const stand = await standOf(id);
    if (is(stand)) return stand;
    if (waited > 120_000 || stand.state === "failed") throw new Error(JSON.stringify(stand));
    await sleep(50);
  }
}
/** Waits until its trainer has begun so often. */
async function atWork(run: string, times: number): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const path = `/v1/training-runs/${run}/logs`;
    const { text } = await control.call("GET", path, undefined, await control.token("max"));
    if (text.split("at work").length > times) return;
    if (waited > 120_000) throw new Error(`its trainer did not begin: ${text}`);
    await sleep(50);
  }
}
const rowsOf = (query: string): Promise<readonly Record<string, unknown>[]> =>
  control.database.session((session) => session.query<Record<string, unknown>>(query));

beforeAll(async () => {
  control = await openControl({ TRAINING_NOTICE_SECONDS: "5" });
  world = await prepareScoring(control);
  const { useCaseId } = world.acme;
  place = { environment: "dev", useCaseId };
  const max = await control.token("max");
  await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView }, max);
  trainingSet = String((await world.post("/v1/training-sets", visitsSet(place), "max"))["id"]);
  await control.runJobs(control.jobs.data);
  const upload = `/v1/artifacts?environment=dev&useCaseId=${useCaseId}`;
  const { digest } = await world.post(upload, Buffer.from(logisticModel([0.5], 0.1)));
  const lineage = { origin: "imported", source: "model.onnx" };
  await world.post("/v1/models/waits/versions", { ...place, artifact: digest, lineage });
});
afterAll(() => control.close());

/** Whoever may train for the whole organisation is told before anything waits. */
async function refusedWithoutUseCase(): Promise<void> {
  const scope = { kind: "organisation", id: world.acme.organisationId };
  const role = { principal: "sam", role: "data_scientist", scope, environments: ["dev"] };
  await world.post("/v1/role-bindings", role, "ada");
  const question = { kind: "training", environment: "dev" };
  const answer = await control.call("POST", "/v1/queue/check", question, await control.token("sam"));
  expect([answer.status, answer.body["code"]]).toEqual([422, "capacity.no_team"]);
}

async function trainingBody(): Promise<object> {
  const upload = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
  const code = await world.post(upload, Buffer.from(program), "max");
  const lock = await world.post(upload, Buffer.from("# nothing is locked\n"), "max");
  const minor = execFileSync("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], {
    encoding: "utf8",
  }).trim();
  const asked = { ...place, trainingSetId: trainingSet, code: code["digest"], params: {}, seed: 7 };
  return { ...asked, locks: { [minor]: lock["digest"] } };
}

const hourMicros = 3_600_000_000;

/** A training run that may begin in an hour. */
async function laterRun(): Promise<string> {
  const notBefore = systemClock.now() + hourMicros;
  return String(
    (await world.post("/v1/training-runs", { ...(await trainingBody()), notBefore }, "max"))["id"],
  );
}
async function cancel(run: string): Promise<void> {
  const [row] = await rowsOf(`select id from database.job_runs where key = '${run}'`);
  await world.post(`/v1/jobs/${String(row?.["id"])}/cancellation`, {}, "max");
}

test("without quotas everything starts as it did, and nothing of it is kept in a queue", async () => {
  const id = await score("free", { resources: { cpu: "900" } });
  await control.runJobs(control.jobs.scoring);
  const stand = await standOf(id);
  expect([stand.state, stand.queue]).toEqual(["ready", undefined]);
  // A run's own time counts without quotas, too.
  const later = await laterRun();
  const looking = await control.startJobs();
  for (let waited = 0; waited < 60_000; waited += 50) {
    const [row] = await rowsOf(`select note from database.job_runs where key = '${later}'`);
    if (row?.["note"] === "waits for its window") break;
    await sleep(50);
  }
  await looking.stop();
  expect(await standOf(later)).toMatchObject({
    state: "waiting",
    request: { notBefore: expect.any(Number) as number },
  });
  await cancel(later);
  expect(await rowsOf("select id from capacity.workloads")).toEqual([]);
});

test("only administrators say who has how much, and a file that does not hold together changes nothing", async () => {
  expect((await put(quotas(2), "sam")).status).toBeGreaterThanOrEqual(403);
  for (const [text, says] of [
    [quotas(5), "brings the quotas to 5 CPU, and the cluster has 4 CPU"],
    [quotas(2, "nobody"), "is no team of the organisation"],
    [quotas(2).replace("cpu: 2", "cpu: 2, gpus: { H100-80GB: 1 }"), "is not in the cluster"],
  ] as const) {
    const answer = await put(text);
    expect([answer.status, answer.body["code"]]).toEqual([422, "capacity.quotas_not_valid"]);
    expect(answer.text).toContain(says);
  }
  expect(await rowsOf("select version from capacity.quotas")).toEqual([]);
});

test("runs and scorings wait for their team's quota, give way by it, go on from where they were, and leave nothing behind", async () => {
  expect((await put(quotas(2))).status).toBe(200);
  const body = { ...(await trainingBody()), resources: { cpu: "2" } };
  const run = String((await world.post("/v1/training-runs", body, "max"))["id"]);
  const [waits, cancelled] = [await score("waits"), await score("cancelled")];
  expect((await standOf(run)).queue).toMatchObject({ state: "admitted", request: ["2 CPU"] });
  expect((await standOf(waits)).queue).toMatchObject({
    state: "waiting",
    team: "operations/network-planning",
    request: ["1 CPU"],
    reason: "no-room",
    resource: "cpu",
    position: 1,
  });
  expect((await standOf(cancelled)).queue).toMatchObject({ position: 2 });
  const refused = await control.call(
    "POST",
    "/v1/training-runs",
    { ...body, resources: { gpus: [{ model: "a100", count: 1 }] } },
    await control.token("max"),
  );
  expect([refused.status, refused.body["code"]]).toEqual([422, "capacity.request_not_valid"]);

  const token = await control.token("max");
  const read = async (path: string) => must(control, "GET", path, undefined, token);
  const { items } = (await read("/v1/queue")) as { items: readonly { id: string; queue: object }[] };
  expect(items.map(({ id }) => id)).toEqual([run, waits, cancelled]);
  expect(await read("/v1/pool-status")).toMatchObject({
    isInForce: true,
    teams: [
      {
        team: "operations/network-planning",
        waiting: 2,
        running: 1,
        resources: [
          { resource: "cpu", used: { amount: 2000 }, borrowed: { amount: 0 }, free: { amount: 0 } },
        ],
      },
    ],
  });
  const question = { kind: "scoring", environment: "dev", useCaseId: place.useCaseId };
  const check = async (more: object) =>
    must(control, "POST", "/v1/queue/check", { ...question, ...more }, token);
  expect(await check({})).toMatchObject({ verdict: "waits", queue: { reason: "no-room", position: 3 } });
  // Its trainer has not begun: there is nothing to stop.
  expect(await check({ priority: 9 })).toMatchObject({ verdict: "begins", evicts: [run] });
  expect((await read("/v1/queue"))["items"]).toEqual(items);
  // The same priority where the team may not ask it sends nobody away.
  expect((await put(quotas(2).replace("quotas:", "highestPriority: -1\n        quotas:"))).status).toBe(200);
  const counted = await check({ priority: 9 });
  expect(counted).toMatchObject({ verdict: "waits", evicts: [], queue: { priority: -1, position: 3 } });
  expect(counted["says"]).toContain("its priority counts as -1, the highest that");
  expect((await put(quotas(2))).status).toBe(200);
  await refusedWithoutUseCase();
  const later = await laterRun();
  expect((await standOf(later)).queue).toMatchObject({ reason: "outside-window", position: 3 });
  const windows = [{ from: "00:00", to: "00:00" }];
  expect(await check({ windows, notBefore: systemClock.now() + hourMicros })).toMatchObject({
    verdict: "waits",
    queue: { reason: "outside-window", position: 4 },
  });

  let worker = await control.startJobs();
  await atWork(run, 1);
  // A control that dies leaves its rows: they hold what they held, and its successor lets in nobody twice.
  await worker.stop();
  expect(await rowsOf("select id from capacity.workloads where state = 'running'")).toEqual([{ id: run }]);
  worker = await control.startJobs();
  try {
    await atWork(run, 2);
    const { job } = (await standOf(cancelled)) as unknown as { readonly job: string };
    await world.post(`/v1/jobs/${job}/cancellation`, {}, "max");
    const urgent = await score("urgent", { priority: 5 });
    expect((await until(urgent, ({ state }) => state === "ready")).queue).toMatchObject({ state: "ended" });
    const trained = await until(run, ({ state }) => state === "succeeded");
    const { attempts } = trained["work"] as { attempts: readonly { ending: string; reason?: string }[] };
    expect(attempts.at(-1)?.ending).toBe("finished");
    expect((await until(waits, ({ state }) => state === "ready")).queue).toMatchObject({ state: "ended" });
    expect(trained.queue).toMatchObject({ state: "ended", evictions: 1 });
    expect(attempts.map(({ ending }) => ending)).toContain("preempted");
    expect(attempts.find(({ ending }) => ending === "preempted")?.reason).toContain(urgent);
    // Nothing is in its way now but its time.
    const { state, queue } = await standOf(later);
    expect([state, queue?.["reason"]]).toEqual(["waiting", "outside-window"]);
    expect(Math.abs(Number(queue?.["expectedWaitSeconds"]) - 3450)).toBeLessThanOrEqual(150);
    await cancel(later);
    await until(later, (stand) => stand.state === "cancelled");
  } finally {
    await worker.stop();
  }
  expect((await standOf(cancelled)).state).toBe("cancelled");
  expect(await rowsOf("select id, state from capacity.workloads where state <> 'ended'")).toEqual([]);
  const events = await rowsOf(
    "select event, subject from ledger.rows where event in ('capacity.workload.evicted', 'training.run.preempted')",
  );
  expect(events).toEqual(
    expect.arrayContaining([
      { event: "capacity.workload.evicted", subject: run },
      { event: "training.run.preempted", subject: run },
    ]),
  );
});

test("a retraining asks for what its champion's run did, waits until somebody else than who wanted it approves, and goes on", async () => {
  const upload = async (at: Readonly<Record<string, string>>, text: string) => {
    const path = `/v1/artifacts?${new URLSearchParams(at).toString()}`;
    return String((await world.post(path, Buffer.from(text), "max"))["digest"]);
  };
  // What comes out is judged by production's rows.
  const production = { environment: "production", useCaseId: place.useCaseId };
  const sources = [{ object: await upload(production, visitsCsv), format: "csv" }];
  await world.post("/v1/ingestions", { contract: "visits", ...production, sources });
  const to = visitsSet(place).from + 86_400_000_000;
  const firstDay = String((await world.post("/v1/training-sets", visitsSet(place, { to }), "max"))["id"]);
  await control.runJobs(control.jobs.data);
  const resources = { cpu: "2", timeLimitSeconds: 3600 };
  const code = await upload(place, otherModel);
  const made = { code, locks: { [minor]: await upload(place, noLock) }, params: {}, seed: 7, resources };
  const worker = await control.startJobs();
  onTestFinished(() => worker.stop());
  const asked = { ...place, trainingSetId: firstDay, ...made };
  const trainingRunId = String((await world.post("/v1/training-runs", asked, "max"))["id"]);
  const trained = await until(trainingRunId, ({ state }) => state === "succeeded");
  const { model: artifact } = trained["result"] as { model: string };
  const lineage = { origin: "trained", trainingRunId };
  await world.post("/v1/models/again/versions", { ...place, artifact, lineage });
  await world.post("/v1/endpoints/again", { ...place, model: "again", version: 1 });

  await putInForce(control, `${readTemplate("flight-delays")}\ncapacity: { approvalAbove: { cpu: 1 } }\n`);
  const wanted = { environment: "dev", reason: "new rows" };
  const lea = await control.token("lea");
  const { id } = await must(control, "POST", "/v1/endpoints/again/retrainings", wanted, lea);
  const stands = async (is: (one: Retraining) => boolean): Promise<Retraining> => {
    for (let looks = 0; ; looks++) {
      await control.retraining.steer();
      const one = await must(control, "GET", `/v1/retrainings/${String(id)}`, undefined, lea);
      if (is(one as unknown as Retraining)) return one as unknown as Retraining;
      if (looks > 300) throw new Error(JSON.stringify(one));
      await sleep(50);
    }
  };
  const held = await stands(({ reasons }) => reasons.join().includes("2 CPU, above 1"));
  const runId = held.made.trainingRunId ?? "";
  expect([held.state, await standOf(runId)]).toMatchObject([
    "training",
    { state: "waiting", request: { resources } },
  ]);
  // Control began the run in the name of who wanted it.
  const approve = async (as: string) =>
    control.call("POST", `/v1/queue/${runId}/approval`, {}, await control.token(as));
  expect((await approve("lea")).body["code"]).toBe("capacity.not_approver");
  expect((await approve("ron")).status).toBe(200);
  expect((await stands(({ made: { version } }) => version !== undefined)).made.version).toBe(2);
  expect((await standOf(runId)).queue).toMatchObject({ state: "ended", approval: { state: "approved" } });
});
