import { acceptBlocks, type Outcome, reportOutcomes } from "@portolan/predictions";
import { fakeClock, testOrganisation } from "@portolan/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { performanceFinding } from "../src/alerts/performance-finding.ts";
import { readPerformance } from "../src/index.ts";
import type { PerformanceBound, PerformanceSeries } from "../src/performance/performance-schema.ts";
import { numericReference } from "../src/policy.ts";
import { insertProfile } from "../src/store.ts";
import {
  type Answer,
  type AnsweredWorld,
  type Delivery,
  deliveryOf,
  openAnsweredWorld,
} from "./answered-predictions.ts";

const day = 24 * 3_600_000_000;
const clock = fakeClock("2026-03-20T00:00:00Z");
/** Midnight, ten days before the clock starts. */
const start = clock.now() - 10 * day;
const floor: PerformanceBound = { metric: "ndcg_at_10", kind: "floor", value: 0.8, below: "fallback" };

let world: AnsweredWorld;
beforeAll(async () => {
  world = await openAnsweredWorld(clock, { find: async () => floor });
});
afterAll(() => world[Symbol.asyncDispose]());

async function accept({ blocks }: Delivery): Promise<void> {
  // Blocks are anchored once a second.
  clock.advance(1_000_000);
  for (const block of blocks)
    expect(await acceptBlocks(world.predictions, world.gateway(), block)).toMatchObject({ kind: "accepted" });
}

const observedAt = "2026-03-19T00:00:00Z";
const report = (outcomes: readonly Outcome[]) => reportOutcomes(world.predictions, world.person(), outcomes);
const label = (predictionId = "", outcome: number[] | boolean = []): Outcome => ({
  predictionId,
  outcome,
  observedAt,
});
const seriesOf = async (endpoint: string, by?: string): Promise<PerformanceSeries | undefined> => {
  const query = { endpoint, from: start, ...(by === undefined ? {} : { by }) };
  return (await readPerformance(world.performance, world.person(), query)).series[0];
};

const scores = [4, 3, 2, 1];
const first = [1, 0, 0, 0];
const last = [0, 0, 0, 1];
const lists = (count: number, over: Partial<Answer> = {}): Answer[] =>
  Array.from({ length: count }, (_, at) => ({ at: start + at * 1000, score: 0, scores, ...over }));

test("a day of lists has its NDCG with interval and maturity; below the charter's floor it misses it, and a correction brings it back", async () => {
  const delivery = await deliveryOf(lists(100), { endpoint: "products" });
  await accept(delivery);
  const { ids } = delivery;
  await report(ids.slice(0, 70).map((id, at) => label(id, at < 20 ? first : last)));
  expect((await seriesOf("products"))?.windows[0]).toMatchObject({ maturity: 0.7, verdict: "immature" });
  // What comes first counts 1, what comes fourth 1 / log2(5).
  await report(ids.slice(70, 90).map((id) => label(id, last)));
  const missed = await seriesOf("products");
  const fourth = 1 / Math.log2(5);
  const [window] = missed?.windows ?? [];
  expect(window).toMatchObject({ predictions: 100, labels: 90, unreadable: 0, verdict: "misses" });
  expect(window?.metrics).toMatchObject([{ metric: "ndcg_at_10", cases: 90 }]);
  expect(window?.metrics[0]?.value).toBeCloseTo((20 + 70 * fourth) / 90, 12);
  expect(missed && performanceFinding("products", missed)).toMatchObject({
    condition: "firing",
    evidence: { metric: "ndcg_at_10", floor: 0.8, below: "fallback", labels: 90, maturity: 0.9 },
  });
  await report(ids.map((id) => ({ ...label(id, first), revision: 2 })));
  const kept = await seriesOf("products");
  expect(kept?.windows[0]).toMatchObject({ labels: 100, verdict: "keeps" });
  expect(kept && performanceFinding("products", kept)).toMatchObject({ condition: "recovered" });
});

test("outcomes that are no list as long as the request are counted and judge nothing", async () => {
  const delivery = await deliveryOf(lists(40), { endpoint: "unfit" });
  await accept(delivery);
  await report(delivery.ids.map((id, at) => label(id, at % 2 === 0 ? true : [1, 0])));
  expect((await seriesOf("unfit"))?.windows[0]).toMatchObject({
    labels: 40,
    unreadable: 40,
    metrics: [],
    verdict: "too_few",
  });
});

test("lists are told apart by a column that all their rows have alike; where they differ it is not known", async () => {
  const phone = { inputs: { device: ["phone", "phone", "phone", "phone"] } };
  const desk = { inputs: { device: ["desk", "desk", "desk", "desk"] } };
  const both = { inputs: { device: ["desk", "desk", "phone", "desk"] } };
  const answers = [...lists(40, phone), ...lists(40, desk), ...lists(40, both)];
  const delivery = await deliveryOf(answers, { endpoint: "devices" });
  await accept(delivery);
  await report(delivery.ids.map((id, at) => label(id, at < 40 ? first : last)));
  const found = await seriesOf("devices", "device");
  expect(found?.segments.map(({ segment, labels, verdict }) => [segment, labels, verdict])).toEqual([
    ["desk", 40, "misses"],
    ["phone", 40, "keeps"],
    ["(not known)", 40, "misses"],
  ]);
});

test("a column of a model's one tensor is found by the version's reference profile", async () => {
  const profile = {
    format: 1,
    model: { name: "delays", version: 7, digest: `sha256:${"ab".repeat(32)}` },
    data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 4, sampledEvery: 1 },
    rows: 4,
    inputs: ["price", "shelf"].map((name, column) =>
      numericReference({ tensor: "features", column, name }, [1, 2, 3, 4]),
    ),
    outputs: [],
    skipped: [],
  };
  const bytes = Buffer.from(JSON.stringify(profile));
  const digest = await world.performance.objects.put(bytes);
  await world.db.uow.write(world.person(), (tx) =>
    insertProfile(tx.sql, {
      organisation_id: testOrganisation,
      version_id: "mv_1",
      model: "delays",
      version: 7,
      digest,
      size_bytes: bytes.length,
      bundle: "sha256:",
      signing_key_id: "sgk_1",
      signed_at: 1,
      cells: 1,
      training_set_id: "ts_1",
      created_by: "usr_1",
      created_at: 1,
    }),
  );
  const on = (shelf: number) => ({ inputs: { features: [5, shelf, 6, shelf, 7, shelf, 8, shelf] } });
  const answers = [...lists(40, on(1)), ...lists(40, on(2))];
  const delivery = await deliveryOf(answers, { endpoint: "shelves" });
  await accept(delivery);
  await report(delivery.ids.map((id, at) => label(id, at < 40 ? first : last)));
  const segments = async (by: string) =>
    (await seriesOf("shelves", by))?.segments.map(({ segment, verdict }) => [segment, verdict]);
  expect(await segments("shelf")).toEqual([
    ["1", "keeps"],
    ["2", "misses"],
  ]);
  expect(await segments("price")).toEqual([["(not known)", "misses"]]);
});

/** Of one relevant row at a place of four, from 0; by hand, for scores that fall. */
const gainAt = [1, 1 / Math.log2(3), 1 / Math.log2(4), 1 / Math.log2(5)];
const predictions = 60;
const scenario = fc.record({
  /** Of each list the places that were reported one after the other; undefined is a retraction. */
  histories: fc.array(
    fc.array(fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 4 }), { maxLength: 3 }),
    {
      minLength: predictions,
      maxLength: predictions,
    },
  ),
  /** Before which of the batches the predictions arrive. */
  arrival: fc.nat({ max: 4 }),
  order: fc.shuffledSubarray(
    Array.from({ length: 3 * predictions }, (_, at) => at),
    { minLength: 3 * predictions },
  ),
});

let run = 0;

test("relevances that come late, twice, corrected and retracted, in any order, give the figures of a batch recomputation", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ histories, arrival, order }) => {
      const endpoint = `any-order-${run++}`;
      const delivery = await deliveryOf(lists(predictions), { endpoint });
      const told = histories.flatMap((places, prediction) =>
        places.map((place, at): Outcome => {
          const rows = [0, 1, 2, 3].map((row) => (row === place ? 1 : 0));
          const predictionId = delivery.ids[prediction] ?? "";
          const said = place === undefined ? { retracted: true } : { outcome: rows };
          return { predictionId, observedAt, revision: at + 1, ...said };
        }),
      );
      const mixed = order.flatMap((at) => told[at] ?? []);
      // Every third of them comes twice.
      const all = [...mixed, ...mixed.filter((_, at) => at % 3 === 0)];
      for (let step = 0; step < 5; step++) {
        if (step === arrival) await accept(delivery);
        const batch = all.filter((_, at) => at % 5 === step);
        if (batch.length > 0) await report(batch);
      }
      const gains = histories.flatMap((places) => {
        const latest = places.at(-1);
        return latest === undefined ? [] : [gainAt[latest] ?? 0];
      });
      const window = (await seriesOf(endpoint))?.windows[0];
      expect(window).toMatchObject({ predictions, labels: gains.length, unreadable: 0 });
      if (gains.length < 30) expect(window?.metrics).toEqual([]);
      else
        expect(window?.metrics[0]?.value).toBeCloseTo(
          gains.reduce((sum, gain) => sum + gain, 0) / gains.length,
          12,
        );
    }),
    { numRuns: 3 },
  );
});
