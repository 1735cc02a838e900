import { readFileSync } from "node:fs";
import { filledBatch, replicasFor } from "@portolan/capacity/policy";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { isPortolanError, parseInstant } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { planCharter } from "../plan-charter.ts";
import { planJson } from "../plan-json.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { type CardsAsked, cardsFor, filledWhileOthersCome } from "./answering-cards.ts";
import { parseAssumptions } from "./changed-assumptions.ts";

const asked: CardsAsked = {
  perSecond: 600,
  withinSeconds: 0.03,
  share: 0.95,
  batchMs: 4,
  requestMs: 0.4,
  mostRequests: 32,
  mostBusy: 0.6,
};

describe("cards that answer in batches", () => {
  test("by hand: one at a time keeps 2.64 cards busy, four at a time 1.05", () => {
    const alone = cardsFor({ ...asked, mostRequests: 1 });
    // 600 x 4.4 ms over 0.6.
    expect(alone).toMatchObject({ cards: 5, batch: 1, waitMs: 0, filled: 1 });
    expect(alone.busy).toBeCloseTo((600 * 0.0044) / 5, 9);
    const batched = cardsFor(asked);
    expect(batched).toMatchObject({ cards: 2, batch: 4, waitMs: 5 });
    expect(batched.takesMs).toBeCloseTo(5.6, 9);
    // Poisson with a mean of 3, up to 3: 3 - (3 P(0) + 2 P(1) + P(2)) = 3 - (3 + 6 + 4.5) e^-3.
    expect(batched.filled).toBeCloseTo(1 + 3 - 13.5 * Math.exp(-3), 9);
    expect(batched.busy).toBeCloseTo(((600 / batched.filled) * 0.0056) / 2, 9);
  });

  test("are as full as the sum over all counts says, at every size", () => {
    for (const others of [1, 2, 3, 31, 500, 4095])
      expect(filledWhileOthersCome(others), String(others)).toBeCloseTo(
        filledBatch(100, others + 1, others / 100),
        8,
      );
  });

  test("are as few as trying every size of batch and every number finds", () => {
    const random = seededRandom(5);
    for (let round = 0; round < 200; round++) {
      const one: CardsAsked = {
        perSecond: 10 ** (4 * random()),
        withinSeconds: 0.005 + 0.2 * random(),
        share: 0.95,
        batchMs: 1 + 20 * random(),
        requestMs: 3 * random(),
        mostRequests: 1 + Math.floor(24 * random()),
        mostBusy: 0.3 + 0.7 * random(),
      };
      const tried = Array.from({ length: one.mostRequests }, (_, index) => tryBatch(one, index + 1)).flat();
      const found = cardsFor(one);
      if (tried.length === 0)
        expect(found.impossible, JSON.stringify(one)).toContain("no number of replicas");
      else {
        const least = Math.min(...tried.map(({ cards }) => cards));
        expect(found.impossible).toBeUndefined();
        expect(found.cards, JSON.stringify(one)).toBe(least);
        expect(found.batch).toBe(
          Math.min(...tried.filter(({ cards }) => cards === least).map(({ batch }) => batch)),
        );
      }
    }
  });

  test("answer in time where requests are played through batches and cards one after the other", () => {
    for (const more of [
      {},
      { perSecond: 3000 },
      { perSecond: 50, batchMs: 20, withinSeconds: 0.06, mostBusy: 1 },
      { perSecond: 2000, batchMs: 12, requestMs: 0.1, withinSeconds: 0.05, mostBusy: 0.9 },
    ]) {
      const one = { ...asked, ...more };
      const inTime = played(one, cardsFor(one));
      // 95 of 100, and a point for what is drawn; shorter batches than full ones make it more.
      expect(inTime, JSON.stringify(more)).toBeGreaterThan(0.94);
    }
  });

  test("that no number of them answers in time is said, not answered with a great many", () => {
    const found = cardsFor({ ...asked, batchMs: 31 });
    expect(found.impossible).toContain("one batch takes 31.4 ms");
    expect(found.cards).toBeLessThan(20);
    expect(cardsFor({ ...asked, batchMs: 31, withinSeconds: 0.2 }).impossible).toBeUndefined();
  });

  test("where nobody waits they are those that are not too busy", () => {
    const { withinSeconds: _, ...patient } = asked;
    const found = cardsFor({ ...patient, batchMs: 1000 });
    // Batches of up to 32 that wait for 31 others on average.
    expect(found).toMatchObject({ batch: 32, cards: Math.ceil(((600 / found.filled) * 1.0128) / 0.6) });
    expect(cardsFor({ ...asked, perSecond: 0 }).cards).toBe(1);
  });
});

function tryBatch(one: CardsAsked, batch: number): { cards: number; batch: number }[] {
  const takes = (one.batchMs + batch * one.requestMs) / 1000;
  const wait = (batch - 1) / one.perSecond;
  try {
    const { needed, batchFilled = 1 } = replicasFor({
      perSecond: one.perSecond,
      peak: 1,
      serviceSeconds: takes,
      times: "constant",
      share: one.share,
      withinSeconds: one.withinSeconds ?? Number.NaN,
      batch,
      batchWaitSeconds: wait,
      spare: 0,
    });
    const calm = Math.ceil(((one.perSecond / batchFilled) * takes) / one.mostBusy);
    return [{ cards: Math.max(1, needed, calm), batch }];
  } catch (error) {
    if (isPortolanError(error) && error.code === "capacity.objective_impossible") return [];
    throw error;
  }
}

/** The share of requests that are answered in time. */
function played(one: CardsAsked, { cards, batch, waitMs }: ReturnType<typeof cardsFor>): number {
  const random = seededRandom(3);
  const free = Array.from({ length: cards }, () => 0);
  let [time, inTime, all] = [0, 0, 0];
  let next = 0;
  while (all < 100_000) {
    const arrivals = [next];
    const closes = next + waitMs / 1000;
    for (;;) {
      time = next - Math.log(1 - random()) / one.perSecond;
      next = time;
      if (arrivals.length === batch || time > closes) break;
      arrivals.push(time);
    }
    const leaves = arrivals.length === batch ? (arrivals.at(-1) ?? 0) : closes;
    const card = free.indexOf(Math.min(...free));
    const done = Math.max(leaves, free[card] ?? 0) + (one.batchMs + arrivals.length * one.requestMs) / 1000;
    free[card] = done;
    all += arrivals.length;
    inTime += arrivals.filter((at) => done - at <= (one.withinSeconds ?? Number.NaN) + 1e-12).length;
  }
  return inTime / all;
}

describe("cards in a plan", () => {
  const now = parseInstant("2026-06-01T00:00:00Z");
  const shipped = readShippedPrices();
  const charterUrl = new URL("../../../charter/templates/recommendation.yaml", import.meta.url);
  const { document } = requireValid(parseCharter(readFileSync(charterUrl, "utf8"), "recommendation"));
  const answering = (p95: string, ceiling: string): CharterDocument => ({
    ...document,
    requirements: {
      ...document.requirements,
      latency: { p95, p99: "400ms" },
      throughput: { ...document.requirements.throughput, ceiling },
    },
    workload: { ...document.workload, averageThroughput: "20 rps", modelSize: "2 GB" },
  });
  const measured = ["card-batch-ms=4", "card-request-ms=0.4"];
  const planOf = (of: CharterDocument, ...assume: string[]) =>
    planJson(planCharter(of, shipped, { now, changed: parseAssumptions(assume) }));
  const figureOf = (plan: ReturnType<typeof planOf>, name: string) =>
    plan.assumptions.find(({ key }) => key === name);

  test("come from the charter's ceiling and p95, and are what is paid for", () => {
    const plan = planOf(answering("30ms", "600 rps"), ...measured);
    expect(plan.tier?.tier).toBe("gpu");
    expect(plan.cardBatches).toMatchObject({
      cards: { low: 2, expected: 2, high: 2 },
      batch: { expected: 4 },
    });
    expect(plan.redundancy?.needed.expected).toBe(2);
    const line = plan.production?.lines.find(({ what }) => what === "serving on GPUs");
    expect(line?.quantity.expected).toBe(730 * (plan.redundancy?.replicas.expected ?? 0));
    expect(figureOf(plan, "active-gpus")).toMatchObject({
      value: { expected: 2 },
      note: expect.stringContaining("batches of up to 4, whose first request waits 5 ms at most"),
    });
    const text = renderPlan(plan);
    expect(text).toContain(
      "cards      2 cards carry the ceiling within the p95, in batches of up to 4 requests",
    );
    expect(text).toContain("[card-batch-ms]");
    // More time makes larger batches, and fewer cards.
    expect(planOf(answering("90ms", "600 rps"), ...measured).cardBatches?.cards.expected).toBe(1);
    expect(
      planOf(answering("30ms", "600 rps"), ...measured, "card-batch-requests=1").cardBatches,
    ).toMatchObject({
      cards: { expected: 5 },
      batch: { expected: 1 },
    });
  });

  test("take what was measured, else what the charter states: a fifth less to half as much more, the batch's size exactly", () => {
    const stated: CharterDocument = {
      ...answering("60ms", "600 rps"),
      workload: {
        ...answering("60ms", "600 rps").workload,
        cardBatch: { time: "4ms", perRequest: "0.4ms", requests: 8 },
      },
    };
    const plan = planOf(stated);
    expect(figureOf(plan, "card-batch-ms")).toMatchObject({
      origin: "charter",
      value: { low: 3.2, expected: 4, high: 6 },
    });
    expect(figureOf(plan, "card-batch-requests")?.value).toEqual({ low: 8, expected: 8, high: 8 });
    expect(plan.cardBatches?.batch.high).toBeLessThanOrEqual(8);
    const measurements = { cardBatchMs: 5, cardRequestMs: 0.1 };
    const known = planJson(planCharter(stated, shipped, { now, measurements }));
    expect(figureOf(known, "card-batch-ms")).toMatchObject({
      origin: "measured",
      value: { low: 5, expected: 5, high: 5 },
    });
    expect(figureOf(known, "card-request-ms")?.value.expected).toBe(0.1);
  });

  test("are as many as somebody states, and no plan on CPUs shows them", () => {
    const plan = planOf(answering("30ms", "600 rps"), ...measured, "active-gpus=7");
    expect(plan.redundancy?.needed.expected).toBe(7);
    expect(plan).not.toHaveProperty("cardBatches");
    expect(figureOf(plan, "active-gpus")).toMatchObject({ origin: "stated", was: { expected: 0 } });
    const small = planOf(answering("30ms", "600 rps"), "model-bytes=1e6");
    expect(small).not.toHaveProperty("cardBatches");
    expect(renderPlan(small)).not.toContain("[card-batch-ms]");
  });

  test("that are too slow for the p95 block production, with the figure to measure", () => {
    const late = planOf(answering("30ms", "600 rps"), "card-batch-ms=40");
    expect(late.gaps).toContainEqual(
      expect.objectContaining({
        severity: "blocks_production",
        what: expect.stringContaining("95 % within 30 ms is reached with no number of replicas"),
        mend: expect.stringContaining("--assume card-batch-ms"),
      }),
    );
    expect(late.redundancy?.needed.expected).toBeLessThan(50);
  });

  test("take as long as their memory gives the model, where nobody has measured", () => {
    const plan = planOf(answering("200ms", "600 rps"), "model-bytes=3e9");
    // 2 ms and 2 GB at 180 GB/s.
    expect(figureOf(planOf(answering("200ms", "600 rps")), "card-batch-ms")?.value.expected).toBeCloseTo(
      13.1,
      9,
    );
    // 3 GB that are stated, at 0.3 ms each.
    expect(figureOf(plan, "card-request-ms")).toMatchObject({ origin: "assumed", value: { expected: 0.9 } });
  });
});
