import { readFileSync } from "node:fs";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { addMoney, compareMoney, formatMoney, money, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assumptionsOf, type Measurements } from "./assumptions.ts";
import { choosePlacement } from "./placement-choice.ts";
import { judgeBudget, planCharter } from "./plan-charter.ts";
import { planJson } from "./plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "./price-book.ts";
import { choosePrice } from "./price-choice.ts";
import { costOf, exactly, toMillionths } from "./range.ts";
import { renderPlan } from "./render-plan.ts";
import { readShippedPrices } from "./shipped-prices.ts";
import { shownMoney } from "./shown-money.ts";
import { chooseTier } from "./tier.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();

function template(name: string): CharterDocument {
  const url = new URL(`../../charter/templates/${name}.yaml`, import.meta.url);
  return requireValid(parseCharter(readFileSync(url, "utf8"), name)).document;
}
const flights = template("flight-delays");

const names = [
  "financial-fraud",
  "healthcare-readmission",
  "manufacturing-maintenance",
  "churn",
  "recommendation",
  "chatbot",
  "flight-delays",
  "readmission",
  "ai4i",
  "credit-default",
];

describe("money in a plan", () => {
  test.each(names)("of %s adds up: the totals are the exact sums of the printed lines", (name) => {
    const { production, poc } = planJson(planCharter(template(name), shipped, { now }));
    for (const breakdown of [production, poc]) {
      for (const which of ["low", "expected", "high"] as const) {
        const read = (text: string) => money(text.split(" ")[0] ?? "", text.split(" ")[1] ?? "");
        const all = breakdown?.lines ?? [];
        const machines = all.filter((line) => line.category !== "people");
        const sum = (lines: typeof all) =>
          lines.map((line) => read(line.cost[which])).reduce(addMoney, money("0", "USD"));
        expect(formatMoney(sum(machines))).toBe(breakdown?.infrastructure[which]);
        expect(formatMoney(sum(all))).toBe(breakdown?.total[which]);
      }
    }
  });

  test.each(names)("of %s goes from low over expected to high", (name) => {
    const plan = planCharter(template(name), shipped, { now });
    for (const { cost } of plan.production?.lines ?? []) {
      expect(compareMoney(cost.low, cost.expected)).toBeLessThanOrEqual(0);
      expect(compareMoney(cost.expected, cost.high)).toBeLessThanOrEqual(0);
    }
  });

  test("price times quantity is exact to the nano, for any quantity in millionths", () => {
    fc.assert(
      fc.property(fc.nat(4_000_000_000), fc.nat(1_000_000), (nanos, quantity) => {
        const price = { nanos: BigInt(nanos) * 1000n, currency: "USD" };
        const cost = costOf({ low: price, expected: price, high: price }, exactly(quantity / 1000));
        return cost.expected.nanos * 1_000_000n === price.nanos * toMillionths(quantity / 1000);
      }),
    );
  });

  test.each([
    ["0.005 USD", "0.00 USD"],
    ["0.015 USD", "0.02 USD"],
    ["0.0150001 USD", "0.02 USD"],
    ["1234.999 USD", "1235.00 USD"],
    ["-0.015 USD", "-0.02 USD"],
    ["-0.004 USD", "0.00 USD"],
  ])("%s is shown as %s", (exact, shown) => expect(shownMoney(exact)).toBe(shown));
});

describe("the budget", () => {
  const cost = { low: money("1", "USD"), expected: money("5", "USD"), high: money("9", "USD") };
  test.each([
    ["9", "USD", "within"],
    ["8.999999999", "USD", "at_risk"],
    ["5", "USD", "at_risk"],
    ["4.999999999", "USD", "over"],
    ["9", "EUR", "not_comparable"],
  ])("of %s %s is %s", (amount, currency, kind) => {
    expect(judgeBudget(money(amount, currency), cost).kind).toBe(kind);
  });

  test("in another currency is compared by a stated rate only", () => {
    const churn = template("churn");
    expect(planCharter(churn, shipped, { now }).budget.kind).toBe("not_comparable");
    const rates = parsePriceFile(
      "records: []\nexchange: [{from: USD, to: EUR, rate: '0.9', asOf: 2026-05-29, source: own bank}]",
      "own.yaml",
    );
    const converted = planCharter(churn, mergePriceBooks([shipped, rates]), { now });
    expect(converted.budget.kind).toBe("within");
    expect(converted.production?.total.expected.currency).toBe("EUR");
  });

  test("that the plan exceeds blocks production", () => {
    const poor = { ...flights, nonNegotiables: { ...flights.nonNegotiables, costCeiling: "5 USD/month" } };
    const { gaps, budget } = planCharter(poor, shipped, { now });
    expect(budget.kind).toBe("over");
    expect(gaps[0]).toMatchObject({ severity: "blocks_production", from: ["/nonNegotiables/costCeiling"] });
  });
});

describe("placement", () => {
  test.each([
    ["flight-delays", "local", "local"],
    ["financial-fraud", "on_prem", "on_prem"],
    ["healthcare-readmission", "on_prem", "on_prem"],
    ["manufacturing-maintenance", "on_prem", "edge"],
    ["churn", "cloud", "cloud"],
  ])("of %s: training %s, inference %s, from its constraints", (name, training, inference) => {
    const document = template(name);
    expect(choosePlacement(document, "training").chosen).toBe(training);
    expect(choosePlacement(document, "inference").chosen).toBe(inference);
  });

  test("every place that is not open says which line closed it", () => {
    for (const name of names) {
      for (const workload of ["training", "inference"] as const) {
        const { candidates, chosen } = choosePlacement(template(name), workload);
        expect(candidates.find((candidate) => candidate.placement === chosen)?.eliminatedBy).toEqual([]);
      }
    }
  });

  test("a charter that excludes every place gets no price, but the reason", () => {
    const nowhere: CharterDocument = {
      ...flights,
      nonNegotiables: { ...flights.nonNegotiables, residency: { regions: ["local"], owners: ["aws"] } },
    };
    const plan = planCharter(nowhere, shipped, { now });
    expect(plan.production).toBeUndefined();
    expect(plan.gaps[0]?.what).toBe("no place is left for training and inference");
    expect(renderPlan(planJson(plan))).toContain("nowhere");
  });
});

describe("the tier", () => {
  const big = { modelBytes: 2e9 };
  const middle = { modelBytes: 5e8 };
  const slow = { latency: { p95: "400ms", p99: "1s" } };
  const rows: [string, Measurements, object, string][] = [
    ["a model above 1 GB", big, {}, "gpu"],
    ["a model of exactly 1 GB, answered slowly", { modelBytes: 1e9 }, slow, "cpu"],
    ["a model below 100 MB", { modelBytes: 9.9e7 }, {}, "cpu"],
    ["a middling model below 100 ms", middle, {}, "gpu"],
    ["a middling model with time", middle, slow, "cpu"],
    [
      "a middling model with thousands of requests a second",
      middle,
      { ...slow, throughput: { ceiling: "1000 rps", beyond: "reject" } },
      "gpu",
    ],
    ["occasional requests", { ...middle, averageRequestsPerSecond: 0.5 }, {}, "cpu"],
    ["measured above 50 ms on CPU", { modelBytes: 1e6, cpuLatencyMsP95: 51 }, slow, "gpu"],
    ["measured below 50 ms on CPU", { ...big, cpuLatencyMsP95: 20 }, {}, "cpu"],
  ];
  test.each(rows)("of %s", (_, measured, requirements, tier) => {
    const document = { ...flights, requirements: { ...flights.requirements, ...requirements } };
    expect(chooseTier(document, assumptionsOf(document, measured), measured, "on_prem").tier).toBe(tier);
  });

  test("beside the machine is edge", () => {
    expect(chooseTier(flights, assumptionsOf(flights, {}), {}, "edge").tier).toBe("edge");
  });
});

describe("prices", () => {
  const question = {
    resource: "gpu_hour",
    placement: "cloud",
    products: ["A100"],
    currency: "USD",
    now,
  } as const;

  test("the range spans the fresh records, and stale ones are left out while there is a fresh one", () => {
    const chosen = choosePrice(shipped, question);
    expect(chosen.records).toEqual(["gpu-a100-range-2026"]);
    expect([chosen.price.low, chosen.price.expected, chosen.price.high].map(formatMoney)).toEqual([
      "1.5 USD",
      "2.25 USD",
      "3 USD",
    ]);
    expect(chosen.warnings).toContain("gpu-a100-range-2026 contradicts gpu-a100-aws-list-2025");
  });

  test("stale prices are used with a warning when there is nothing else", () => {
    const chosen = choosePrice(shipped, { ...question, now: parseInstant("2030-01-01T00:00:00Z") });
    expect(chosen.records.length).toBe(5);
    expect(chosen.warnings.filter((warning) => warning.includes("stale")).length).toBe(5);
  });

  test("one's own price replaces list prices instead of being averaged with them", () => {
    const own = parsePriceFile(
      `records:
  - { id: our-cores, resource: cpu_core_hour, placements: [local], price: "0.01", currency: USD, region: any, provider: self, asOf: 2026-01-01, validFor: 365d, source: own books, confidence: own }`,
      "own.yaml",
    );
    const book = mergePriceBooks([shipped, own]);
    expect(
      choosePrice(book, { resource: "cpu_core_hour", placement: "local", currency: "USD", now }).records,
    ).toEqual(["our-cores"]);
  });

  test("a missing price is an error with a mend, never zero", () => {
    expect(() => choosePrice({ records: [], exchange: [] }, question)).toThrow("planner.price_missing");
  });

  test.each([
    ["no source", "records: [{id: abc}]"],
    [
      "a float for money",
      `records: [{ id: our-cores, resource: cpu_core_hour, placements: [local], price: 0.01, currency: USD, region: any, provider: self, asOf: 2026-01-01, validFor: 365d, source: own books, confidence: own }]`,
    ],
    [
      "low above price",
      `records: [{ id: our-cores, resource: cpu_core_hour, placements: [local], price: "1", low: "2", currency: USD, region: any, provider: self, asOf: 2026-01-01, validFor: 365d, source: own books, confidence: own }]`,
    ],
    ["aliases", "a: &a [1]\nrecords: *a"],
    ["broken YAML", "records: ["],
    ["nothing in it", "{}"],
  ])("a price file with %s is refused", (_, text) => {
    expect(() => parsePriceFile(text, "own.yaml")).toThrow("planner.price_book_not_valid");
  });

  test("a price file may state rates of exchange alone", () => {
    const text = 'exchange: [{ from: USD, to: EUR, rate: "0.9", asOf: 2026-11-27, source: own bank }]';
    expect(parsePriceFile(text, "own.yaml")).toMatchObject({ records: [], exchange: [{ to: "EUR" }] });
  });

  test("every shipped record is dated and sourced", () => {
    expect(shipped.records.length).toBeGreaterThan(10);
    for (const record of shipped.records) expect(record.source.length).toBeGreaterThan(10);
  });
});

describe("gaps", () => {
  const what = (facts: Parameters<typeof planCharter>[2]["facts"]) =>
    planCharter(flights, shipped, { now, ...(facts ? { facts } : {}) })
      .gaps.filter((gap) => gap.severity === "blocks_production")
      .map((gap) => gap.what);

  test("vanish as the work is done", () => {
    const views = ["arrivals", "origin-departures", "routes"].map((name) => `features/${name}.yaml`);
    const files = ["contracts/flights.odcs.yaml", ...views, "training/train.py"];
    expect(what({ presentFiles: [] }).length).toBe(7);
    expect(what({ presentFiles: files }).length).toBe(2);
    expect(what({ presentFiles: files, signedRoles: ["team_lead"] }).length).toBe(1);
    expect(what({ presentFiles: files, signedRoles: ["team_lead", "approver_risk"] })).toEqual([]);
  });

  test("name each demanded control that nothing enforces", () => {
    const gaps = planCharter(template("healthcare-readmission"), shipped, { now }).gaps.map(
      (gap) => gap.what,
    );
    expect(gaps.filter((gap) => gap.includes("demanded and not enforced")).length).toBe(1);
  });
});

test("the text of the demo's plan is the golden one", async () => {
  const measurements = { cpuMsPerPrediction: 2, cpuLatencyMsP95: 4 };
  const text = renderPlan(planJson(planCharter(flights, shipped, { now, measurements })));
  await expect(text).toMatchFileSnapshot("../testdata/flight-delays.plan.txt");
});
