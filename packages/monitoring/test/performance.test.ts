import { acceptBlocks, erasePredictions, type Outcome, reportOutcomes } from "@portolan/predictions";
import { aCall, fakeClock } from "@portolan/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPerformance } from "../src/index.ts";
import type { PerformanceBound, PerformanceReport } from "../src/performance/performance-schema.ts";
import {
  type Answer,
  type AnsweredWorld,
  type Delivery,
  deliveryOf,
  openAnsweredWorld,
} from "./answered-predictions.ts";

const hour = 3_600_000_000;
const day = 24 * hour;
const clock = fakeClock("2026-03-20T00:00:00Z");
/** Midnight, ten days before the clock starts. */
const start = clock.now() - 10 * day;
const floor: PerformanceBound = { metric: "accuracy", kind: "floor", value: 0.7, below: "alert" };

let world: AnsweredWorld;
beforeAll(async () => {
  world = await openAnsweredWorld(clock, {
    find: async (_sql, useCaseId) => (useCaseId === "uc_1" ? floor : undefined),
  });
});
afterAll(() => world[Symbol.asyncDispose]());

async function accept({ blocks }: Delivery): Promise<void> {
  // Blocks are anchored once a second.
  clock.advance(1_000_000);
  for (const block of blocks)
    expect(await acceptBlocks(world.predictions, world.gateway(), block)).toMatchObject({ kind: "accepted" });
}

const report = (outcomes: readonly Outcome[]) => reportOutcomes(world.predictions, world.person(), outcomes);
const observedAt = "2026-03-19T00:00:00Z";
const label = (predictionId: string, outcome: boolean | number): Outcome => ({
  predictionId,
  outcome,
  observedAt,
});

/** `right` of `count` predictions come true, half of them positives. */
function answersOf(count: number, right: number, from: number, over: Partial<Answer> = {}) {
  return Array.from({ length: count }, (_, at) => {
    const isPositive = at % 2 === 0;
    const said = at < right ? isPositive : !isPositive;
    return { answer: { at: from + at * 1000, score: said ? 0.9 : 0.1, ...over }, isPositive };
  });
}

test("a window has metrics with intervals, its maturity and a verdict; failed requests and other days are not in it", async () => {
  const cases = answersOf(100, 60, start);
  const failed: Answer = { at: start + 5, score: 0.5, status: "error" };
  const nextDay: Answer = { at: start + day + 5, score: 0.5 };
  const delivery = await deliveryOf([...cases.map(({ answer }) => answer), failed, nextDay], {
    endpoint: "plain",
  });
  await accept(delivery);
  await report(cases.slice(0, 90).map(({ isPositive }, at) => label(delivery.ids[at] ?? "", isPositive)));
  const found = await readPerformance(world.performance, world.person(), { endpoint: "plain", from: start });
  const [series, ...others] = found.series;
  expect(others).toEqual([]);
  expect(series).toMatchObject({ variant: "champion", model: "delays", version: "7", bound: floor });
  const [first, second] = series?.windows ?? [];
  expect(first).toMatchObject({
    start,
    end: start + day,
    predictions: 100,
    labels: 90,
    maturity: 0.9,
    unreadable: 0,
  });
  const accuracy = first?.metrics.find(({ metric }) => metric === "accuracy");
  // Wilson's interval of 60 of 90.
  expect(accuracy).toMatchObject({ value: 60 / 90, cases: 90 });
  expect(accuracy?.low).toBeCloseTo(0.5642, 3);
  expect(accuracy?.high).toBeCloseTo(0.7558, 3);
  expect(first?.metrics.map(({ metric }) => metric)).toEqual([
    "roc_auc",
    "pr_auc",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "brier_score",
    "log_loss",
  ]);
  expect(first?.verdict).toBe("unclear");
  expect(second).toMatchObject({ predictions: 1, labels: 0, maturity: 0, metrics: [], verdict: "too_few" });
});

test("a mature window below the floor misses it; the same figures with labels of too few do not judge", async () => {
  const cases = answersOf(200, 110, start);
  const delivery = await deliveryOf(
    cases.map(({ answer }) => answer),
    { endpoint: "bad" },
  );
  await accept(delivery);
  const labels = cases.map(({ isPositive }, at) => label(delivery.ids[at] ?? "", isPositive));
  await report(labels.slice(0, 150));
  const verdict = async () =>
    (await readPerformance(world.performance, world.person(), { endpoint: "bad", from: start })).series[0]
      ?.windows[0]?.verdict;
  expect(await verdict()).toBe("immature");
  await report(labels);
  expect(await verdict()).toBe("misses");
});

test("of more labels than one answer reads the newest whole windows are told; a window with more is judged by its newest, and its maturity by all", async () => {
  const before = answersOf(60, 60, start);
  const after = answersOf(80, 80, start + day);
  const cases = [...before, ...after];
  const delivery = await deliveryOf(
    cases.map(({ answer }) => answer),
    { endpoint: "many" },
  );
  await accept(delivery);
  await report(cases.map(({ isPositive }, at) => label(delivery.ids[at] ?? "", isPositive)));
  const query = { endpoint: "many", from: start };
  const read = (labels: number, bytes = 1e9) =>
    readPerformance(world.performance, world.person(), query, { labels, bytes });
  expect(await read(140)).toMatchObject({ truncated: false, from: start });
  const newest = await read(100);
  expect(newest).toMatchObject({ truncated: true, from: start + day });
  expect(newest.series[0]?.windows).toMatchObject([{ start: start + day, labels: 80, maturity: 1 }]);
  const cut = await read(50);
  expect(cut).toMatchObject({ truncated: true, from: start + day });
  expect(cut.series[0]?.windows).toMatchObject([{ labels: 80, maturity: 1, verdict: "keeps" }]);
  const casesOf = ({ series }: Awaited<ReturnType<typeof read>>) =>
    series[0]?.windows[0]?.metrics.find(({ metric }) => metric === "accuracy")?.cases;
  expect(casesOf(cut)).toBe(50);
  // Answers that are larger are fewer.
  expect(await read(140, 140 * 1000)).toMatchObject({ truncated: false, from: start });
  const large = await read(140, 8000);
  expect(large).toMatchObject({ truncated: true, from: start + day });
  expect(large.series[0]?.windows).toMatchObject([{ labels: 80, maturity: 1 }]);
  expect(casesOf(large)).toBeGreaterThan(30);
  expect(casesOf(large)).toBeLessThan(80);
});

test("segments by a feature hold together, and what has no value is one of its own", async () => {
  const good = answersOf(60, 60, start, { features: { plan: "flat" } });
  const bad = answersOf(60, 24, start + 1_000_000, { features: { plan: "pay" } });
  const bare = answersOf(5, 5, start + 2_000_000);
  const cases = [...good, ...bad, ...bare];
  const delivery = await deliveryOf(
    cases.map(({ answer }) => answer),
    { endpoint: "segments" },
  );
  await accept(delivery);
  await report(cases.map(({ isPositive }, at) => label(delivery.ids[at] ?? "", isPositive)));
  const query = { endpoint: "segments", from: start, by: "plan" };
  const [series] = (await readPerformance(world.performance, world.person(), query)).series;
  expect(series?.segments.map(({ segment, labels, verdict }) => [segment, labels, verdict])).toEqual([
    ["flat", 60, "keeps"],
    ["pay", 60, "misses"],
    ["(not known)", 5, "too_few"],
  ]);
  // The names of segments are values of inputs.
  const judge = aCall({ roles: ["judge"] });
  await expect(readPerformance(world.performance, judge, query)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  const { by: _, ...plain } = query;
  expect((await readPerformance(world.performance, judge, plain)).series).toHaveLength(1);
});

test("an erased prediction takes its label along, and who may not read outcomes sees none", async () => {
  const cases = answersOf(40, 40, start);
  const delivery = await deliveryOf(
    cases.map(({ answer }) => answer),
    { endpoint: "erased" },
  );
  await accept(delivery);
  await report(cases.map(({ isPositive }, at) => label(delivery.ids[at] ?? "", isPositive)));
  const [gone = ""] = delivery.ids;
  await erasePredictions(world.predictions, world.person(), { predictionIds: [gone] }, "as asked");
  const read = (call = world.person()) =>
    readPerformance(world.performance, call, { endpoint: "erased", from: start });
  expect((await read()).series[0]?.windows[0]).toMatchObject({ predictions: 40, labels: 39 });
  await expect(read(aCall({ roles: [] }))).rejects.toMatchObject({ code: "identity.forbidden" });
  await expect(
    readPerformance(world.performance, world.person(), { endpoint: "nowhere" }),
  ).rejects.toMatchObject({ code: "monitoring.nothing_answered" });
});

/** One report of a label, as it may come. */
interface Told {
  readonly prediction: number;
  readonly revision: number;
  /** Absent: retracted. */
  readonly value?: boolean;
}

/** The label that counts of each prediction, by the definition. */
function batchOf(told: readonly Told[]): Map<number, boolean> {
  const latest = new Map<number, Told>();
  for (const one of told)
    if ((latest.get(one.prediction)?.revision ?? 0) < one.revision) latest.set(one.prediction, one);
  return new Map(
    [...latest].flatMap(([prediction, { value }]) => (value === undefined ? [] : [[prediction, value]])),
  );
}

/** Figures of a window computed anew, one prediction after the other. */
function recomputed(answers: readonly Answer[], labels: ReadonlyMap<number, boolean>, from: number) {
  const own = answers.flatMap((answer, at) => (answer.at >= from && answer.at < from + day ? [at] : []));
  const known = own.filter((at) => labels.has(at));
  const right = known.filter((at) => (answers[at]?.score ?? 0) >= 0.5 === labels.get(at)).length;
  const ofClass = (value: boolean) =>
    known.filter((at) => labels.get(at) === value).map((at) => answers[at]?.score ?? 0);
  const [positives, negatives] = [ofClass(true), ofClass(false)];
  const wins = positives.flatMap((p) => negatives.map((n) => (p > n ? 1 : p === n ? 0.5 : 0)));
  const auc = wins.reduce<number>((sum, win) => sum + win, 0) / wins.length;
  return {
    predictions: own.length,
    labels: known.length,
    ...(known.length < 30 ? {} : { accuracy: right / known.length }),
    ...(Math.min(positives.length, negatives.length) < 30 ? {} : { auc }),
  };
}

function figuresOf({ series }: PerformanceReport, from: number) {
  const window = series[0]?.windows.find(({ start: at }) => at === from);
  const value = (name: string) => window?.metrics.find(({ metric }) => metric === name)?.value;
  return {
    predictions: window?.predictions,
    labels: window?.labels,
    accuracy: value("accuracy"),
    auc: value("roc_auc"),
  };
}

const predictions = 120;
const history = fc.array(fc.option(fc.boolean(), { nil: undefined, freq: 4 }), { maxLength: 3 });
const scenario = fc.record({
  histories: fc.array(history, { minLength: predictions, maxLength: predictions }),
  scores: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: predictions, maxLength: predictions }),
  seed: fc.nat(),
  arrivals: fc.tuple(fc.nat({ max: 8 }), fc.nat({ max: 8 })),
});

/** All reports, every third of them twice, in an order that the seed decides, in eight batches. */
function batchesOf(histories: readonly (readonly (boolean | undefined)[])[], seed: number): Told[][] {
  const all = histories.flatMap((values, prediction) =>
    values.map(
      (value, at): Told => ({ prediction, revision: at + 1, ...(value === undefined ? {} : { value }) }),
    ),
  );
  let state = seed + 1;
  const next = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state;
  };
  const order = [...all, ...all.filter((_, at) => at % 3 === 0)]
    .map((one) => ({ one, key: next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
  return Array.from({ length: 8 }, (_, at) => order.filter((__, place) => place % 8 === at));
}

interface Scenario {
  /** Revisions of each prediction's label; undefined is a retraction. */
  readonly histories: readonly (readonly (boolean | undefined)[])[];
  /** In twentieths. */
  readonly scores: readonly number[];
  readonly seed: number;
  /** Before which batch each half of the predictions is delivered. */
  readonly arrivals: readonly [number, number];
}

let run = 0;

test("labels that come late, twice, corrected and retracted, in any order, give the figures of a batch recomputation, now and as of any time", async () => {
  const check = async ({ histories, scores, seed, arrivals }: Scenario) => {
    const endpoint = `any-order-${run++}`;
    const answers = scores.map(
      (score, at): Answer => ({ at: start + (at % 4 === 0 ? day : 0) + at * 1000, score: score / 20 }),
    );
    const half = predictions / 2;
    const deliveries = [
      await deliveryOf(answers.slice(0, half), { endpoint }),
      await deliveryOf(answers.slice(half), { endpoint }),
    ];
    const ids = deliveries.flatMap((one) => one.ids);
    const batches = batchesOf(histories, seed);
    const times: number[] = [];
    for (let step = 0; step <= 8; step++) {
      for (const [at, delivery] of deliveries.entries()) if (arrivals[at] === step) await accept(delivery);
      const batch = batches[step] ?? [];
      clock.advance(1_000_000);
      if (batch.length > 0)
        await report(
          batch.map(({ prediction, revision, value }) => ({
            predictionId: ids[prediction] ?? "",
            observedAt,
            revision,
            ...(value === undefined ? { retracted: true } : { outcome: value }),
          })),
        );
      times.push(clock.now());
    }
    for (const known of [8, 3]) {
      const labels = batchOf(batches.slice(0, known + 1).flat());
      const query = { endpoint, from: start, asOf: times[known] ?? 0 };
      const found = await readPerformance(world.performance, world.person(), query);
      for (const from of [start, start + day]) {
        const { auc, ...rest } = recomputed(answers, labels, from);
        const figures = figuresOf(found, from);
        expect(figures).toMatchObject(rest);
        if (auc === undefined) expect(figures.auc).toBeUndefined();
        else expect(figures.auc).toBeCloseTo(auc, 12);
      }
    }
  };
  await fc.assert(fc.asyncProperty(scenario, check), { numRuns: 5 });
});
