import { readTemplate } from "@portolan/charter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { must } from "./api.ts";
import {
  bare,
  buildSet,
  dayTwo,
  noon,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
  visitsModel,
  visitsTrainer,
} from "./team-world.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "./visits.ts";

let world: TeamWorld;
let work: TeamWork;
const python = await requirePython();

beforeAll(async () => {
  world = await openTeamWorld();
  work = await prepareData(world);
});
afterAll(() => world.control.close());

const unknown = (prefix: string) => `${prefix}_00000000000000000000000000`;
const violationsOf = (body: Readonly<Record<string, unknown>>) =>
  ((body["violations"] ?? []) as { detail: string }[]).map(({ detail }) => detail.split(":")[0]);

async function importModel(): Promise<number> {
  const artifact = await world.upload("pipeline", work.place, visitsModel);
  const lineage = { origin: "imported", source: "elsewhere.onnx" };
  const body = { useCaseId: work.place.useCaseId, artifact, lineage };
  return Number((await world.post("pipeline", "/v1/models/imported/versions", body))["version"]);
}

async function evaluate(model: string, version: number, trainingSetId: string, who = "mia") {
  return world.control.call(
    "POST",
    "/v1/evaluations",
    { model, version, trainingSetId },
    await world.as(who),
  );
}

async function judged(model: string, version: number): Promise<Readonly<Record<string, unknown>>> {
  await world.control.runJobs(world.control.jobs.governance);
  const { body } = await world.get("mia", `/v1/models/${model}/versions/${version}/evaluations`);
  return (body["evaluations"] as Record<string, unknown>[])[0] ?? {};
}

async function promote(who: string, model: string, version: number, to: string) {
  const path = `/v1/models/${model}/versions/${version}/promotions`;
  return world.control.call("POST", path, { to }, await world.as(who));
}

test("a plan of the team's own file is read by its people and by nobody of another team", async () => {
  const { id } = await world.post("sam", "/v1/plans", { source: readTemplate("flight-delays") });
  expect((await world.get("mia", `/v1/plans/${String(id)}`)).status).toBe(200);
  const hidden = await world.get("tom", `/v1/plans/${String(id)}`);
  expect(hidden.status).toBe(404);
  const missing = await world.get("tom", `/v1/plans/${unknown("pln")}`);
  expect(bare(hidden, String(id))).toEqual(bare(missing, unknown("pln")));
});

describe.skipIf(python === undefined)("people of one team do its whole work", () => {
  let run: string;
  let version: number;

  test("a data scientist of the team trains, and reads the run, its log, its model and its jobs", async () => {
    const { control, get, post } = world;
    const code = await world.upload("sam", work.place, Buffer.from(visitsTrainer));
    const locks: Record<string, string> = {};
    if (python) locks[python.minor] = await world.upload("sam", work.place, Buffer.from("# nothing\n"));
    const body = { ...work.place, trainingSetId: work.trainingSet, code, locks, params: {}, seed: 7 };
    run = String((await post("sam", "/v1/training-runs", body))["id"]);
    await control.runJobs(control.jobs.data);
    const trained = await get("sam", `/v1/training-runs/${run}`);
    expect(trained.body).toMatchObject({ state: "succeeded" });
    const { model } = trained.body["result"] as { model: string };
    expect((await get("sam", `/v1/training-runs/${run}/logs`)).status).toBe(200);
    // Logged from behind the walls; how it ended is the platform's word.
    expect((await get("sam", `/v1/training-runs/${run}/tracking`)).body).toMatchObject({
      metrics: [{ key: "rows", value: 24, step: 3 }],
    });
    expect((await get("sam", `/api/2.0/mlflow/runs/get?run_id=${run}`)).body).toMatchObject({
      run: { info: { status: "FINISHED" } },
    });
    expect((await get("sam", `/v1/artifacts/${model}`)).status).toBe(200);
    const { jobs } = (await get("sam", "/v1/jobs")).body as { jobs: { id: string; queue: string }[] };
    expect(new Set(jobs.map((job) => job.queue))).toEqual(
      new Set(["data.ingest", "features.training_set", "training.run"]),
    );
    expect((await get("sam", `/v1/jobs/${jobs[0]?.id}/log`)).status).toBe(200);
    const push = {
      useCaseId: work.place.useCaseId,
      artifact: model,
      lineage: { origin: "trained", trainingRunId: run },
    };
    version = Number((await post("pipeline", "/v1/models/visits/versions", push))["version"]);
  });

  test("only later rows of the same definition and use case, built in production, judge a version (G7)", async () => {
    const reasonOf = async (set: string) => {
      const answer = await evaluate("visits", version, set);
      expect(answer).toMatchObject({ status: 422, body: { code: "evaluation.not_held_out" } });
      return String(answer.body["detail"]);
    };
    expect(await reasonOf(work.trainingSet)).toContain("before the version's own training set ends");
    const overlapping = await buildSet(world, visitsSet(work.place, { from: noon }));
    expect(await reasonOf(overlapping)).toContain("before the version's own training set ends");
    const label = { name: "long", expression: "wait > 20" };
    const easier = await buildSet(world, visitsSet(work.place, { from: dayTwo, label }));
    expect(await reasonOf(easier)).toContain("label");
    const baseline = await buildSet(world, visitsSet(work.place, { from: dayTwo, baseline: "wait_3h" }));
    expect(await reasonOf(baseline)).toContain("baseline");
  });

  test("an ML engineer of the team evaluates on later rows and promotes to staging; production takes an approver", async () => {
    expect(await evaluate("visits", version, work.heldOut)).toMatchObject({ status: 202 });
    const evaluation = await judged("visits", version);
    expect(evaluation).toMatchObject({
      trainingSetId: work.heldOut,
      heldOut: { shown: true },
      metrics: { rows: 24, baseline: { column: "visits_3h" } },
      gates: [
        { gate: "accuracy", passed: true },
        { gate: "held-out", passed: true },
        { gate: "better-than-baseline", passed: true },
      ],
    });
    expect((await promote("mia", "visits", version, "staging")).status).toBe(200);
    expect((await promote("mia", "visits", version, "production")).status).toBe(403);
    expect((await promote("ron", "visits", version, "production")).status).toBe(200);
    const deployment = { ...work.place, model: "visits", version };
    const { control } = world;
    await must(control, "PUT", "/v1/endpoints/visits", deployment, await world.as("mia"));
    const asOf = { environment: "production", asOf: dayTwo };
    await world.post("mia", "/v1/feature-views/visits-by-place/materializations", asOf);
    await control.runJobs(control.jobs.data);
  });

  test("nothing of it is there for a data scientist of another team: each answer is that of what does not exist", async () => {
    const model = String(
      ((await world.get("sam", `/v1/training-runs/${run}`)).body["result"] as { model: string }).model,
    );
    const { jobs } = (await world.get("sam", "/v1/jobs")).body as { jobs: { id: string }[] };
    const digest = `sha256:${"0".repeat(64)}`;
    const pairs: (readonly [path: (name: string) => string, there: string, missing: string])[] = [
      [(name) => `/v1/artifacts/${name}`, model, digest],
      [(name) => `/v1/artifacts/${name}`, work.upload, digest],
      [(name) => `/v1/artifacts/${name}`, work.dataset, digest],
      [(name) => `/v1/contracts/${name}`, "visits", "missing"],
      [(name) => `/v1/feature-views/${name}`, "visits-by-place", "missing"],
      [(name) => `/v1/ingestions/${name}`, work.ingestion, unknown("ing")],
      [(name) => `/v1/ingestions/${name}/quarantine`, work.ingestion, unknown("ing")],
      [(name) => `/v1/datasets/${name}`, work.datasetId, unknown("ds")],
      [(name) => `/v1/training-sets/${name}`, work.heldOut, unknown("ts")],
      [(name) => `/v1/training-runs/${name}`, run, unknown("run")],
      [(name) => `/v1/training-runs/${name}/logs`, run, unknown("run")],
      [(name) => `/v1/training-runs/${name}/tracking`, run, unknown("run")],
      [(name) => `/v1/training-runs/${name}/metrics?key=rows`, run, unknown("run")],
      [(name) => `/api/2.0/mlflow/runs/get?run_id=${name}`, run, unknown("run")],
      [(name) => `/v1/models/${name}/versions/1`, "visits", "missing"],
      [(name) => `/v1/models/${name}/versions/1/evaluations`, "visits", "missing"],
      [(name) => `/v1/models/${name}/versions/1/comparisons`, "visits", "missing"],
      [(name) => `/v1/jobs/${name}`, jobs[0]?.id ?? "", unknown("job")],
      [(name) => `/v1/jobs/${name}/log`, jobs[0]?.id ?? "", unknown("job")],
    ];
    for (const [path, there, missing] of pairs) {
      const hidden = await world.get("tom", path(there));
      expect(hidden.status, path(there)).toBe(404);
      expect(bare(hidden, there)).toEqual(bare(await world.get("tom", path(missing)), missing));
    }
    expect((await world.get("tom", "/v1/jobs")).body).toEqual({ jobs: [] });
    expect((await world.get("tom", "/v1/datasets")).body).toEqual({ datasets: [] });
  });
});

describe("a model that was trained elsewhere", () => {
  test("is measured on the platform's rows, but they are not shown to be held out, so it leaves dev through no gate", async () => {
    const version = await importModel();
    expect(await evaluate("imported", version, work.heldOut)).toMatchObject({ status: 202 });
    const evaluation = await judged("imported", version);
    expect(evaluation).toMatchObject({
      heldOut: { shown: false },
      gates: [
        { gate: "accuracy", passed: true },
        { gate: "held-out", passed: false },
        { gate: "better-than-baseline", passed: true },
      ],
    });
    const blocked = await promote("ron", "imported", version, "staging");
    expect(blocked).toMatchObject({ status: 409, body: { code: "registry.promotion_blocked" } });
    expect(violationsOf(blocked.body)).toEqual(["held-out"]);
  });

  test("without an evaluation every gate stands against it, the held-out rows and the baseline too", async () => {
    const artifact = await world.upload("pipeline", work.place, visitsModel);
    const body = { useCaseId: work.place.useCaseId, artifact, lineage: { origin: "imported" } };
    await world.post("pipeline", "/v1/models/unseen/versions", body);
    const blocked = await promote("ron", "unseen", 1, "staging");
    expect(violationsOf(blocked.body)).toEqual(["accuracy", "held-out", "better-than-baseline"]);
  });

  test("a set that was built in dev, or that does not exist, judges nothing", async () => {
    const version = await importModel();
    const { control } = world;
    const dev = { environment: "dev", useCaseId: work.place.useCaseId };
    const upload = await world.upload(
      "sam",
      dev,
      Buffer.from("seen_at,place,wait\n2026-03-02T00:00:00Z,north,3\n"),
    );
    const batch = { contract: "visits", ...dev, sources: [{ object: upload, format: "csv" }] };
    await world.post("sam", "/v1/ingestions", batch);
    await control.runJobs(control.jobs.data);
    const inDev = await buildSet(world, visitsSet(dev, { from: dayTwo }));
    expect(await evaluate("imported", version, inDev)).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining("built in dev") as string },
    });
    const missing = await evaluate("imported", version, unknown("ts"));
    expect(missing).toMatchObject({ status: 404, body: { code: "evaluation.set_not_found" } });
  });
});

describe("another team", () => {
  test("publishes its own contracts and views, and takes over nobody's name (D16, F13)", async () => {
    const { control } = world;
    const tom = await world.as("tom");
    const owner = { useCaseId: "crew-rest" };
    const own = { document: visitsContract.replace("id: visits", "id: rests"), ...owner };
    await must(control, "PUT", "/v1/contracts/rests", own, tom);
    const view = visitsView
      .replace("visits-by-place", "rests-by-place")
      .replace("source: visits", "source: rests");
    const path = "/v1/feature-views/rests-by-place";
    await must(control, "PUT", path, { document: view, ...owner }, tom);
    expect(await control.call("GET", path, undefined, tom)).toMatchObject({ status: 200 });
    const put = (url: string, document: string, more: object) =>
      control.call("PUT", url, { document, ...more }, tom);
    const newer = visitsContract.replace("version: 1.0.0", "version: 1.1.0");
    expect(await put("/v1/contracts/visits", newer, owner)).toMatchObject({
      status: 409,
      body: { code: "data.contract_owned_elsewhere" },
    });
    // In the other team's place it may not even look.
    expect((await put("/v1/contracts/visits", newer, { useCaseId: "flight-delays" })).status).toBe(404);
    expect((await put("/v1/contracts/visits", newer, {})).status).toBe(404);
    const foreign = visitsView.replace("visits-by-place", "peek");
    expect(await put("/v1/feature-views/peek", foreign, owner)).toMatchObject({
      status: 400,
      body: { code: "features.view_invalid" },
    });
  });

  test("builds sets of its own, and to the first team they are sets that do not exist (F13)", async () => {
    const { control } = world;
    const dev = { environment: "dev", useCaseId: world.crewUseCaseId };
    // Other rows: bytes that a team made itself are its own, whoever else made the same.
    const rests = `${visitsCsv}2026-03-02T23:30:00Z,north,9\n`;
    const object = await world.upload("tom", dev, Buffer.from(rests));
    const batch = { contract: "rests", ...dev, sources: [{ object, format: "csv" }] };
    await world.post("tom", "/v1/ingestions", batch);
    await control.runJobs(control.jobs.data);
    const views = [{ view: "rests-by-place", entity: { place: "place" } }];
    const set = await buildSet(world, visitsSet(dev, { contract: "rests", views }), "tom");
    const version = await importModel();
    const hidden = await evaluate("imported", version, set);
    expect(hidden).toMatchObject({ status: 404, body: { code: "evaluation.set_not_found" } });
    const missing = await evaluate("imported", version, unknown("ts"));
    expect(bare(hidden, set)).toEqual(bare(missing, unknown("ts")));
    // Whoever may see both is told why it does not fit.
    const told = await evaluate("imported", version, set, "ci");
    expect(told).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining("another use case") as string },
    });
  });

  test("cannot work with the bytes, contracts and sets of the first, nor upload to it (D16)", async () => {
    const { control } = world;
    const tom = await world.as("tom");
    const place = { environment: "production", useCaseId: world.crewUseCaseId };
    const dev = { ...place, environment: "dev" };
    const digest = `sha256:${"0".repeat(64)}`;
    const ingest = (object: string) =>
      control.call(
        "POST",
        "/v1/ingestions",
        { contract: "rests", ...dev, sources: [{ object, format: "csv" }] },
        tom,
      );
    const [hidden, missing] = [await ingest(work.dataset), await ingest(digest)];
    expect(hidden).toMatchObject({ status: 404, body: { code: "registry.artifact_not_found" } });
    expect(bare(hidden, work.dataset)).toEqual(bare(missing, digest));
    const own = await world.upload("tom", dev, Buffer.from("seen_at,place,wait\n"));
    const under = (contract: string) =>
      control.call(
        "POST",
        "/v1/ingestions",
        { contract, ...dev, sources: [{ object: own, format: "csv" }] },
        tom,
      );
    expect(bare(await under("visits"), "visits")).toEqual(bare(await under("missing"), "missing"));
    const upload = await control.call(
      "POST",
      `/v1/artifacts?${new URLSearchParams(work.place).toString()}`,
      Buffer.from("x"),
      tom,
    );
    expect(upload.status).toBe(403);
    const run = (trainingSetId: string) =>
      control.call(
        "POST",
        "/v1/training-runs",
        { ...dev, trainingSetId, code: own, locks: {}, params: {}, seed: 1 },
        tom,
      );
    expect(bare(await run(work.trainingSet), work.trainingSet)).toEqual(
      bare(await run(unknown("ts")), unknown("ts")),
    );
  });
});
