import { readTemplate } from "@portolan/charter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { putInForce } from "./api.ts";
import {
  buildSet,
  dayTwo,
  modelOf,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
  trainerOf,
} from "./team-world.ts";
import { visitsSet } from "./visits.ts";

/** A charter that bounds slices, groups and challengers, and two days of visits, one each two minutes. */
let world: TeamWorld;
let work: TeamWork;
let trainingSet: string;
let heldOut: string;
const python = await requirePython();

const plain = readTemplate("flight-delays");
const strict = plain
  .replace(
    "  featureFreshness:",
    `  slices: { columns: [site], maximumGap: 0.1 }
  challenger: { metrics: [roc_auc, accuracy], margins: { accuracy: 0.02 } }
  robustness: { mutable: [jitter], radius: 0.1, maximumTurned: 50% }
  membership: { maximumAuc: 0.6 }
  trainingData: { maximumSuspects: 10% }
  modelBudget: { latencyShare: 100%, size: 1 MB, memory: 4 GiB }
  kpis:
    - name: saved_per_visit
      columns: { wait_now: number, site: text }
      sums: { saved: "if(decided and actual, if(site = 'north', wait_now, 10.0), 0.0)" }
      value: (saved - 5 * false_positives) / rows
      unit: minutes
      floor: 0
  featureFreshness:`,
  )
  .replace(
    "humanReview: none",
    `humanReview: none
fairness: { attributes: [site], maximumDifference: 0.1, measures: [demographic_parity_difference], minimumRatio: 0.8 }`,
  );

const digits = new Intl.NumberFormat("en", { minimumIntegerDigits: 2 });
const rows = Array.from({ length: 1440 }, (_, n) => {
  const [day, minute] = [1 + Math.floor(n / 720), (2 * n) % 1440];
  const time = `${digits.format(Math.floor(minute / 60))}:${digits.format(minute % 60)}`;
  return `2026-03-0${day}T${time}:00Z,${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
});
const csv = `seen_at,place,wait\n${rows.join("\n")}\n`;

/** Two features of the request; the second one says little of the label. */
const features = [
  { name: "wait_now", expression: "wait" },
  { name: "jitter", expression: "wait * 37 % 31" },
];
const attributes = [{ name: "site", expression: "place" }];
const weak = modelOf([0.1, 0.1, 0, 0], -3);
const good = modelOf([0.5, 0, 0, 0], -5.2);

beforeAll(async () => {
  world = await openTeamWorld();
  work = await prepareData(world, csv);
  trainingSet = await buildSet(world, visitsSet(work.place, { to: dayTwo, request: features }));
  heldOut = await buildSet(world, visitsSet(work.place, { from: dayTwo, request: features, attributes }));
});
afterAll(() => world.control.close());

const call = async (who: string, path: string, body: object) =>
  world.control.call("POST", path, body, await world.as(who));

/** The result of a governance job that ended well. */
async function resultOf(job: unknown): Promise<Readonly<Record<string, unknown>>> {
  await world.control.runJobs(world.control.jobs.governance);
  const { body } = await world.get("mia", `/v1/jobs/${String(job)}`);
  if (body["state"] !== "done") throw new Error(JSON.stringify(body).slice(0, 2000));
  return body["result"] as Readonly<Record<string, unknown>>;
}

async function evaluate(model: string, version: number, more: object = {}) {
  const body = { model, version, trainingSetId: heldOut, ...more };
  const { job } = await world.post("mia", "/v1/evaluations", body);
  return resultOf(job);
}

async function importModel(name: string, bytes: Uint8Array): Promise<number> {
  const artifact = await world.upload("pipeline", work.place, bytes);
  const body = { useCaseId: work.place.useCaseId, artifact, lineage: { origin: "imported" } };
  const version = Number((await world.post("pipeline", `/v1/models/${name}/versions`, body))["version"]);
  // Measured before anybody evaluates it.
  await world.control.runJobs(world.control.jobs.governance);
  return version;
}

async function train(name: string, bytes: Uint8Array): Promise<number> {
  const code = await world.upload("sam", work.place, Buffer.from(trainerOf(bytes)));
  const locks: Record<string, string> = {};
  if (python) locks[python.minor] = await world.upload("sam", work.place, Buffer.from("# nothing\n"));
  const asked = { ...work.place, trainingSetId: trainingSet, code, locks, params: {}, seed: 7 };
  const run = String((await world.post("sam", "/v1/training-runs", asked))["id"]);
  await world.control.runJobs(world.control.jobs.data);
  const { body } = await world.get("sam", `/v1/training-runs/${run}`);
  const { model: artifact } = body["result"] as { model: string };
  const lineage = { origin: "trained", trainingRunId: run };
  const push = { useCaseId: work.place.useCaseId, artifact, lineage };
  return Number((await world.post("pipeline", `/v1/models/${name}/versions`, push))["version"]);
}

const promote = (model: string, version: number, to: string) =>
  call("ron", `/v1/models/${model}/versions/${version}/promotions`, { to });
const refusals = (body: Readonly<Record<string, unknown>>) =>
  ((body["violations"] ?? []) as { detail: string }[]).map(({ detail }) => detail);
const gateNames = (result: Readonly<Record<string, unknown>>) =>
  (result["gates"] as { gate: string; passed: boolean }[]).map(({ gate, passed }) => [gate, passed]);

describe("slices and groups", () => {
  test("a charter without a word on them is judged as before, and slices that are asked for are measured", async () => {
    const version = await importModel("sliced", good);
    const probes = { robustness: { mutable: ["wait_now"], radius: 0.2 }, membership: true };
    const result = await evaluate("sliced", version, { slices: ["site", "wait_now"], probes });
    expect(gateNames(result).map(([gate]) => gate)).toEqual(["accuracy", "held-out", "better-than-baseline"]);
    const { sliced, fairness, intervals, ...probed } = result["metrics"] as Record<string, unknown>;
    expect(probed).toMatchObject({
      robustness: { reference: "held_out", rows: 200, turned: { count: expect.any(Number) as number } },
      membership: { problem: expect.stringContaining("trained elsewhere") as string },
    });
    expect(sliced).toMatchObject({
      bins: 4,
      support: { positives: 30, negatives: 30 },
      columns: [
        {
          column: "site",
          expression: "place",
          grouping: "values",
          slices: [
            { value: "north", rows: 360, isJudged: true, values: { roc_auc: 1 } },
            { value: "south", rows: 360, isJudged: true },
          ],
        },
        { column: "wait_now", grouping: "quantiles" },
      ],
    });
    expect(fairness).toBeUndefined();
    expect(intervals).toMatchObject({ f1: { method: "bca" }, roc_auc: { method: "delong" } });
  });

  test("under a charter that bounds them they are gates (G10, G11)", async () => {
    await putInForce(world.control, strict);
    const version = await importModel("bounded", good);
    const result = await evaluate("bounded", version);
    expect(gateNames(result)).toEqual([
      ["accuracy", true],
      ["held-out", false],
      ["better-than-baseline", true],
      ["slices", true],
      ["fairness", true],
      ["latency-budget", true],
      ["size-budget", true],
      ["kpis", true],
      ["robustness", true],
      // It was imported: nobody here knows its training rows.
      ["membership", false],
      ["training-data", false],
    ]);
    expect(result["metrics"]).toMatchObject({
      kpis: [{ name: "saved_per_visit", unit: "minutes", interval: { method: "bca" } }],
      compute: { modelBytes: good.length, runs: expect.any(Number) as number },
      fairness: {
        attributes: [
          {
            columns: ["site"],
            expressions: { site: "place" },
            groups: [{ value: "north" }, { value: "south" }],
            measures: { demographic_parity_difference: expect.any(Number) as number },
          },
        ],
      },
    });
  });

  test("a version that was evaluated before the charter asked is not promoted by what was measured then (G3)", async () => {
    const { status, body } = await promote("sliced", 1, "staging");
    expect(status).toBe(409);
    // The slices that somebody had asked for are those of the charter; groups were never compared.
    expect(refusals(body).map((detail) => detail.split(":")[0])).toEqual([
      "held-out",
      "fairness",
      "kpis",
      "robustness",
      "membership",
      "training-data",
    ]);
  });

  test("rows without the attribute fail the gates, and say so", async () => {
    const bare = await buildSet(world, visitsSet(work.place, { from: dayTwo, request: features }));
    const version = await importModel("bare", good);
    const { job } = await world.post("mia", "/v1/evaluations", {
      model: "bare",
      version,
      trainingSetId: bare,
    });
    const { gates } = (await resultOf(job)) as { gates: { gate: string; observed: string }[] };
    const told = gates.filter(({ gate }) => gate === "slices" || gate === "fairness");
    expect(told.map(({ observed }) => observed)).toEqual([
      "site: the rows have no such column",
      "site: the rows have no such column",
    ]);
  });
});

describe("a comparison", () => {
  test("is refused where it does not say which two, or by what", async () => {
    await importModel("pair", weak);
    await importModel("pair", good);
    const asked = { model: "pair", challenger: 2, trainingSetId: heldOut };
    const compare = async (more: object) =>
      (await call("mia", "/v1/comparisons", { ...asked, ...more })).body;
    expect(await compare({})).toMatchObject({
      code: "evaluation.not_comparable",
      detail: "no version of pair is promoted in production",
    });
    expect(await compare({ champion: 2 })).toMatchObject({ code: "evaluation.not_comparable" });
    expect(await compare({ champion: 7 })).toMatchObject({ code: "registry.version_not_found" });
    const margins = { accuracy: 0.01 };
    expect(await compare({ champion: 1, margins })).toMatchObject({ code: "evaluation.not_comparable" });
    expect(await compare({ champion: 1, metrics: ["roc_auc"], margins })).toMatchObject({
      code: "evaluation.not_comparable",
    });
    expect(await compare({ champion: 1, championTrainingSetId: trainingSet })).toMatchObject({
      code: "evaluation.not_comparable",
      detail: expect.stringContaining("other rows") as string,
    });
    expect((await call("tom", "/v1/comparisons", asked)).status).toBe(404);
  });

  test("scores both versions on the same rows, by the charter's rule", async () => {
    const asked = { model: "pair", challenger: 2, champion: 1, trainingSetId: heldOut };
    const { job } = await world.post("mia", "/v1/comparisons", asked);
    const result = await resultOf(job);
    expect(result).toMatchObject({
      challenger: 2,
      champion: 1,
      rows: 720,
      rule: { metrics: ["roc_auc", "accuracy"], margins: { accuracy: 0.02 }, level: 0.025 },
      heldOut: { shown: false },
      setsTried: 1,
      isBetter: true,
      values: [
        { metric: "roc_auc", test: "delong", question: "better", challenger: 1, isShown: true },
        { metric: "accuracy", test: "tango", question: "not_worse", margin: 0.02, isShown: true },
      ],
    });
    const { comparisons } = (await world.get("mia", "/v1/models/pair/versions/2/comparisons")).body as {
      comparisons: { id: string }[];
    };
    expect(comparisons.map(({ id }) => id)).toEqual([result["id"]]);
    const back = { ...asked, challenger: 1, champion: 2, metrics: ["f1"] };
    const { job: other } = await world.post("mia", "/v1/comparisons", back);
    expect(await resultOf(other)).toMatchObject({
      isBetter: false,
      values: [{ metric: "f1", isShown: false }],
    });
  });

  test("the champion may take other features, of the same rows", async () => {
    const others = [...features].reverse();
    const theirs = await buildSet(world, visitsSet(work.place, { from: dayTwo, request: others }));
    const asked = { model: "pair", challenger: 2, champion: 1, trainingSetId: heldOut };
    const { job } = await world.post("mia", "/v1/comparisons", { ...asked, championTrainingSetId: theirs });
    // The same rows again are no other set.
    expect(await resultOf(job)).toMatchObject({ championTrainingSetId: theirs, rows: 720, setsTried: 1 });
    const half = await buildSet(
      world,
      visitsSet(work.place, { from: dayTwo, sampleEvery: 2, request: features }),
    );
    const again = await world.post("mia", "/v1/comparisons", { ...asked, trainingSetId: half });
    expect(await resultOf(again["job"])).toMatchObject({ rows: 360, setsTried: 2 });
  });
});

describe.skipIf(python === undefined)("a challenger in production (G12)", () => {
  test("the first version has nobody beside it; the next one shows that it is better, or stays out", async () => {
    const [champion, challenger] = [await train("visits", weak), await train("visits", good)];
    for (const version of [champion, challenger]) {
      const result = await evaluate("visits", version);
      expect(gateNames(result).filter(([, passed]) => !passed)).toEqual([]);
      expect((await promote("visits", version, "staging")).status).toBe(200);
    }
    expect((await promote("visits", champion, "production")).status).toBe(200);
    const alone = await promote("visits", challenger, "production");
    expect(alone.status).toBe(409);
    expect(refusals(alone.body)).toEqual([
      expect.stringContaining("better-than-champion: observed never compared"),
    ]);
    const asked = { model: "visits", challenger, trainingSetId: heldOut };
    const other = await world.post("mia", "/v1/comparisons", { ...asked, metrics: ["roc_auc"] });
    expect(await resultOf(other["job"])).toMatchObject({ champion, isBetter: true });
    expect(refusals((await promote("visits", challenger, "production")).body)).toEqual([
      expect.stringContaining("other rules"),
    ]);
    const { job } = await world.post("mia", "/v1/comparisons", asked);
    expect(await resultOf(job)).toMatchObject({ heldOut: { shown: true }, isBetter: true });
    expect((await promote("visits", challenger, "production")).status).toBe(200);
    // Back again: no comparison would show the weaker one to be better, and none is asked for.
    expect((await promote("visits", champion, "production")).status).toBe(200);
  });
});

// The last test: its job fails, and is tried again for a while.
test("sets of one snapshot and time with other rows in them are told apart by their rows", async () => {
  const every = { from: dayTwo, sampleEvery: 2, request: features };
  const half = await buildSet(world, visitsSet(work.place, every));
  const asked = { model: "pair", challenger: 2, champion: 1, trainingSetId: heldOut };
  const { job } = await world.post("mia", "/v1/comparisons", { ...asked, championTrainingSetId: half });
  await expect(resultOf(job)).rejects.toThrow(/not_comparable: training set \S+ has other rows than/);
});
