import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { money, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAssumptions } from "../costs/changed-assumptions.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { leverNames } from "./levers.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
const documents = new Map(
  templateNames.map((name) => [name as string, requireValid(parseCharter(readTemplate(name))).document]),
);

function template(name: string): CharterDocument {
  const document = documents.get(name);
  return document ?? expect.fail(`no template ${name}`);
}

/** A template that scores in batches alone, where somebody waits. */
function answered(name: string): CharterDocument {
  const document = template(name);
  return { ...document, nonNegotiables: { ...document.nonNegotiables, latencyClass: "interactive" } };
}

function planOf(document: CharterDocument, assume: readonly string[] = [], book = shipped): PlanDocument {
  return planJson(planCharter(document, book, { now, changed: parseAssumptions(assume) }));
}

function leverOf(plan: PlanDocument, name: string) {
  return plan.levers?.levers.find((lever) => lever.name === name) ?? expect.fail(`no lever ${name}`);
}

const nanos = (text = "0 USD"): bigint => {
  const [amount = "0", currency = "USD"] = text.split(" ");
  return amount.startsWith("-") ? -money(amount.slice(1), currency).nanos : money(amount, currency).nanos;
};
const dollars = (text: string | undefined): number => Number(nanos(text)) / 1e9;

/** One price of each, so that what a lever saves can be reckoned by hand. */
const own = (id: string, rest: string) =>
  `  - { id: ${id}, ${rest}, currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`;
const flat = mergePriceBooks([
  shipped,
  parsePriceFile(
    [
      "records:",
      own("own-core", 'resource: cpu_core_hour, placements: [cloud], price: "0.04"'),
      own("own-core-spot", 'resource: cpu_core_hour, placements: [cloud], price: "0.01", pricing: spot'),
      own("own-core-1y", 'resource: cpu_core_hour, placements: [cloud], price: "0.03", pricing: reserved_1y'),
      own("own-memory", 'resource: memory_gib_hour, placements: [cloud], price: "0"'),
      own("own-l4", 'resource: gpu_hour, product: L4, placements: [cloud], price: "1"'),
      own("own-a100", 'resource: gpu_hour, product: A100-80GB, placements: [cloud], price: "2"'),
    ].join("\n"),
    "own.yaml",
  ),
]);

describe("a lever saves what planning again with it on comes out cheaper:", () => {
  test("right-sizing, by hand", () => {
    // churn: 50 requests/s · 3 ms / 0.6 = a quarter of a core; one replica and a redundant one, 730 h at 0.04.
    const plan = planOf(answered("churn"), ["cpu-ms-per-prediction=3", "least-cores=0.1..0.1..0.1"], flat);
    const saving = leverOf(plan, "right_sizing").saving;
    expect(dollars(saving?.expected)).toBeCloseTo(2 * 730 * 0.04 * 0.75, 6);
    expect(saving?.low).toBe(saving?.high);
    const floor = planOf(answered("churn"), ["cpu-ms-per-prediction=3", "least-cores=0.5"], flat);
    expect(dollars(leverOf(floor, "right_sizing").saving?.expected)).toBeCloseTo(2 * 730 * 0.04 * 0.5, 6);
  });

  test("autoscaling, by hand", () => {
    // 50 requests/s · 120 ms / 0.6 = 10 replicas; 5 a second on average take 1 core, filled to one half 2.
    const assume = [
      "cpu-ms-per-prediction=120",
      "average-requests-per-second=5",
      "autoscaling-fill=0.5",
      "cold-start-seconds=0",
    ];
    const saving = leverOf(planOf(answered("churn"), assume, flat), "autoscaling").saving;
    expect(dollars(saving?.expected)).toBeCloseTo(8 * 730 * 0.04, 6);
    expect(
      dollars(
        leverOf(
          planOf(
            answered("churn"),
            [...assume.filter((one) => !one.includes("fill")), "autoscaling-fill=1"],
            flat,
          ),
          "autoscaling",
        ).saving?.expected,
      ),
    ).toBeCloseTo(9 * 730 * 0.04, 6);
  });

  test("autoscaling with replicas that take a while to start, by hand", () => {
    // From 5 to the ceiling of 50 within 30 min: in 600 s 15 more come. 20 requests/s · 120 ms / 0.6 = 4 cores, filled to one half 8 of 10.
    const assume = [
      "cpu-ms-per-prediction=120",
      "average-requests-per-second=5",
      "autoscaling-fill=0.5",
      "cold-start-seconds=600",
    ];
    const by = (...more: string[]) =>
      leverOf(planOf(answered("churn"), [...assume, ...more], flat), "autoscaling");
    expect(dollars(by("ramp-minutes=30").saving?.expected)).toBeCloseTo(2 * 730 * 0.04, 6);
    expect(by("ramp-minutes=30").why).toContain("600 s, the ceiling within 30 min");
    // A rise that is over before the first new replica answers finds all of them at work, or nothing is saved.
    expect(by("ramp-minutes=10")).toMatchObject({
      applies: false,
      why: expect.stringContaining("while a replica starts"),
    });
  });

  test("of cards too, as many as the load one start later takes", () => {
    // 1,000 of 2,500 requests/s on 8 cards are 3.2, filled to 0.8 four of them, and the redundant ones stay.
    const assume = [
      "model-bytes=2e9",
      "active-gpus=8",
      "average-requests-per-second=1000",
      "autoscaling-fill=0.8",
      "cold-start-seconds=0",
      "redundant-replicas=1",
    ];
    const saving = leverOf(planOf(template("recommendation"), assume, flat), "autoscaling").saving;
    // A core at 0.04 and an L4 at 1 an hour; compliance adds nothing to it.
    expect(dollars(saving?.expected)).toBeCloseTo(4 * 730 * 1.04, 4);
  });

  test("spot, by hand, with what interruptions cost", () => {
    // M = 24 h, C = 3 min, R = 6 min: τ = √(2·0.05·24); M·e^(R/M)·(e^((τ+C)/M) − 1)/τ paid for an hour.
    const assume = [
      "training-hours=100",
      "training-runs-per-month=2",
      "spot-hours-between-interruptions=24",
      "spot-checkpoint-minutes=3",
      "spot-restart-minutes=6",
    ];
    const tau = Math.sqrt(2 * 0.05 * 24);
    const paid = (24 * Math.exp(0.1 / 24) * (Math.exp((tau + 0.05) / 24) - 1)) / tau;
    const saving = leverOf(planOf(answered("churn"), assume, flat), "spot_training").saving;
    expect(dollars(saving?.expected)).toBeCloseTo(2 * 100 * 4 * (0.04 - 0.01 * paid), 3);
  });

  test("the steady part reserved, by hand, and memory without such a price stays as it is", () => {
    const saving = leverOf(
      planOf(answered("churn"), ["cpu-ms-per-prediction=3"], flat),
      "reserved_steady",
    ).saving;
    expect(dollars(saving?.expected)).toBeCloseTo(2 * 730 * 0.01, 6);
  });

  test("slices of cards, by hand", () => {
    // A model of 4 GB takes 4 GB · 1.2 = 4.5 GiB, and a fifth of the compute two of seven slices: 2g.20gb, filled to 0.8.
    const assume = ["model-bytes=4e9", "gpu-memory-factor=1.2", "gpu-busy=0.2", "mig-packing=0.8"];
    const plan = planOf(template("recommendation"), assume, flat);
    const replicas =
      plan.production?.lines.find(({ what }) => what === "serving on GPUs")?.quantity.expected ?? 0;
    expect(leverOf(plan, "mig_pooling").why).toContain("2g.20gb");
    expect(dollars(leverOf(plan, "mig_pooling").saving?.expected)).toBeCloseTo(
      replicas * (1 - (2 * (2 / 7)) / 0.8),
      3,
    );
    const large = planOf(template("recommendation"), [...assume.slice(1), "model-bytes=7e10"], flat);
    expect(leverOf(large, "mig_pooling")).toMatchObject({
      applies: false,
      why: "the model takes a whole card",
    });
  });

  test("quantisation takes memory and time, and may take the card away", () => {
    const assume = ["model-bytes=1.5e9", "quantised-size=0.3", "average-requests-per-second=0.5"];
    const plan = planOf(template("recommendation"), assume, flat);
    expect(plan.tier?.tier).toBe("gpu");
    const lever = leverOf(plan, "quantisation");
    expect(lever.why).toContain("450 MB, and a CPU answers");
    expect(nanos(lever.saving?.expected)).toBeGreaterThan(0n);
  });

  test("answers from CPUs are compared with the latency that the charter promises", () => {
    const by = (ms: number) =>
      leverOf(
        planOf(template("recommendation"), ["model-bytes=2e9", `cpu-ms-per-gb=${ms}`], flat),
        "cpu_inference",
      );
    // 80 ms at p95.
    expect(by(39).applies).toBe(true);
    expect(by(41)).toMatchObject({ applies: false });
    expect(by(41).why).toContain("82 ms");
  });
});

describe("a lever that does not apply says why", () => {
  test.each([
    ["churn", "quantisation", "20 MB"],
    ["flight-delays", "cpu_inference", "CPUs answer already"],
    ["churn", "cpu_inference", "nobody waits for an answer"],
    ["churn", "right_sizing", "no replica runs beside the batches"],
    ["churn", "autoscaling", "no replica runs beside the batches"],
    ["churn", "mig_pooling", "no card"],
    ["churn", "reserved_steady", "nothing runs all month"],
    ["chatbot", "spot_training", "nothing is trained"],
    ["flight-delays", "autoscaling", "own machines"],
    ["flight-delays", "spot_training", "own machines"],
    ["flight-delays", "reserved_steady", "own machines"],
    ["manufacturing-maintenance", "mig_pooling", "device"],
    ["recommendation", "reserved_steady", "no gpu_hour (L4) for cloud, reserved 1y"],
  ])("%s: %s", (name, lever, words) => {
    const found = leverOf(planOf(template(name)), lever);
    expect(found.applies).toBe(false);
    expect(found.why).toContain(words);
    expect(found.saving).toBeUndefined();
  });

  test("also where it would ask for a card that the book has no price for: the plan is made all the same", () => {
    // 16 GB take large cards, 4.8 GB an L4.
    const book = { ...shipped, records: shipped.records.filter(({ product }) => product !== "L4") };
    const lever = leverOf(planOf(template("chatbot"), [], book), "quantisation");
    expect(lever.applies).toBe(false);
    expect(lever.why).toContain("price missing: the price book has no gpu_hour for cloud (L4)");
  });

  test("and every lever is in every plan that has costs", () => {
    for (const document of documents.values()) {
      const plan = planOf(document);
      expect(plan.levers?.levers.map(({ name }) => name)).toEqual([...leverNames]);
      expect(renderPlan(plan)).toContain("what each lever saves for itself");
    }
  });
});

test("with any assumptions the waterfall is exact: before less all savings is after, each step saves, and nothing is below zero", () => {
  const stated = fc.record({
    "model-bytes": fc.integer({ min: 1e6, max: 9e10 }),
    "cpu-ms-per-prediction": fc.integer({ min: 1, max: 500 }),
    "average-requests-per-second": fc.integer({ min: 1, max: 5000 }),
    "gpu-busy": fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value.toFixed(6)),
    "quantised-size": fc.double({ min: 0.05, max: 1, noNaN: true }).map((value) => value.toFixed(6)),
    "least-cores": fc.double({ min: 0.01, max: 1, noNaN: true }).map((value) => value.toFixed(6)),
  });
  fc.assert(
    fc.property(stated, fc.constantFrom(...documents.values()), (figures, document) => {
      const assume = Object.entries(figures).map(([name, value]) => `${name}=${value}`);
      const { levers, production } = planOf(document, assume);
      const { before, steps, after } = levers?.together ?? expect.fail("no levers");
      expect(before).toEqual(production?.infrastructure);
      for (const which of ["low", "expected", "high"] as const) {
        const saved = steps.reduce((sum, { saving }) => sum + nanos(saving[which]), 0n);
        expect(nanos(before[which]) - saved).toBe(nanos(after[which]));
        expect(nanos(after[which])).toBeGreaterThanOrEqual(0n);
      }
      for (const { saving } of steps) expect(nanos(saving.expected)).toBeGreaterThan(0n);
      expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
      for (const { saving } of levers?.levers ?? []) {
        if (!saving) continue;
        expect(nanos(saving.low)).toBeLessThanOrEqual(nanos(saving.expected));
        expect(nanos(saving.expected)).toBeLessThanOrEqual(nanos(saving.high));
      }
    }),
    { numRuns: 60 },
  );
});
