import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { money, parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { checkpointEvery, paidPerHourOfWork } from "../ownership/interruptions.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { parseAssumptions } from "./changed-assumptions.ts";
import { planWayNames } from "./ways-to-pay.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
const own = (id: string, rest: string) =>
  `  - { id: ${id}, ${rest}, currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`;
const card = 'resource: gpu_hour, product: A100-80GB, placements: [cloud], price: "';
const book = mergePriceBooks([
  shipped,
  parsePriceFile(
    [
      "records:",
      own("own-a100", `${card}4.5"`),
      own("own-a100-1y", `${card}3", pricing: reserved_1y`),
      own("own-a100-3y", `${card}2", pricing: reserved_3y`),
      own(
        "own-a100-buy",
        'resource: gpu_purchase, product: A100-80GB, placements: [on_prem], price: "35000", pricing: owned',
      ),
      own("own-kwh", 'resource: power_kwh, placements: [on_prem], price: "0.12"'),
      own("own-room", 'resource: colocation_kw_month, placements: [on_prem], price: "150"'),
      ...["cpu_core_hour", "memory_gib_hour", "storage_gb_month"].map((resource) =>
        own(
          `own-${resource.replaceAll("_", "-")}`,
          `resource: ${resource}, placements: [cloud, on_prem], price: "0"`,
        ),
      ),
      own("own-egress", 'resource: egress_gb, placements: [cloud], price: "0"'),
    ].join("\n"),
    "own.yaml",
  ),
]);
/** Two cards answer. */
const plain = ["server-factor=1.4", "card-watts=980", "card-life-months=36", "redundant-replicas=1"];

function planOf(name: string, assume: readonly string[] = [], prices = book): PlanDocument {
  const { document } = requireValid(parseCharter(readTemplate(name as (typeof templateNames)[number])));
  return planJson(planCharter(document, prices, { now, changed: parseAssumptions(assume) }));
}
const wayOf = ({ ways }: PlanDocument, name: string) =>
  ways?.ways.find((way) => way.name === name) ?? expect.fail(`no way ${name}`);
const dollars = (text: string | undefined): number => Number(text?.split(" ")[0]);

describe("ways to pay", () => {
  const plan = planOf("chatbot", plain);

  test("on demand, reserved for one and three years: two cards around the clock, by hand", () => {
    expect(dollars(wayOf(plan, "cloud_on_demand").infrastructure?.expected)).toBeCloseTo(2 * 730 * 4.5, 6);
    expect(dollars(wayOf(plan, "cloud_reserved_1y").infrastructure?.expected)).toBeCloseTo(2 * 730 * 3, 6);
    expect(dollars(wayOf(plan, "cloud_reserved_3y").infrastructure?.expected)).toBeCloseTo(2 * 730 * 2, 6);
    expect(wayOf(plan, "cloud_on_demand").planned).toBe(true);
    expect(wayOf(plan, "cloud_on_demand").infrastructure).toEqual(plan.production?.infrastructure);
  });

  test("owned: write-off, power and room of a month, by hand, and the purchase at once", () => {
    const way = wayOf(plan, "own");
    expect(dollars(way.upfront?.expected)).toBe(2 * 35_000 * 1.4);
    const monthly = (2 * 35_000 * 1.4) / 36 + 2 * 0.98 * 730 * 0.12 + 2 * 0.98 * 150;
    expect(dollars(way.infrastructure?.expected)).toBeCloseTo(monthly, 5);
    expect(plan.ways?.least).toBe("cloud_reserved_3y");
  });

  test("break-even leaves the write-off out of the month: purchase / (rent − running)", () => {
    const [purchase] = plan.ways?.purchases ?? [];
    const running = 2 * 0.98 * (730 * 0.12 + 150);
    const months = (2 * 35_000 * 1.4) / (2 * 730 * 4.5 - running);
    expect(Number(purchase?.breakEvenMonths.expected)).toBeCloseTo(Math.ceil(months * 100) / 100, 6);
    const fixed = 2 * 0.98 * 150 + (2 * 35_000 * 1.4) / 36;
    expect(purchase?.breakEvenUse.expected).toBeCloseTo(fixed / (2 * 730 * (4.5 - 0.98 * 0.12)), 6);
  });

  test("spot: the interval of Young, the hours of Daly, and how many runs are interrupted", () => {
    const assume = [
      "training-hours=6",
      "spot-hours-between-interruptions=12",
      "spot-checkpoint-minutes=3",
      "spot-restart-minutes=6",
    ];
    const spot = planOf("recommendation", assume, shipped).ways?.spot;
    const of = { every: 12, checkpoint: 0.05, restart: 0.1 };
    expect(spot?.checkpointHours.expected).toBe(checkpointEvery(of));
    expect(spot?.paidPerHour.expected).toBe(paidPerHourOfWork(of));
    expect(spot?.interruptedRuns.expected).toBeCloseTo(1 - Math.exp(-0.5), 12);
  });

  test("what the charter excludes is priced, named as excluded, and never the least", () => {
    const fraud = planOf("financial-fraud", [], shipped);
    const cloud = wayOf(fraud, "cloud_on_demand");
    expect(cloud.excludedBy.join()).toContain("only own machines may hold the data");
    expect(cloud.infrastructure).toBeDefined();
    expect(fraud.ways?.least).toBe("own");
    expect(renderPlan(fraud)).toContain("the charter excludes it");
  });

  test("a price that no record states is named, and nothing is made up", () => {
    const records = shipped.records.filter(
      ({ resource, product }) => resource !== "gpu_purchase" || product !== "L4",
    );
    const recommendation = planOf("recommendation", [], { ...shipped, records });
    expect(wayOf(recommendation, "cloud_reserved_1y").infrastructure).toBeUndefined();
    expect(wayOf(recommendation, "cloud_reserved_1y").why).toContain(
      "no gpu_hour (L4) for cloud, reserved 1y",
    );
    expect(wayOf(recommendation, "own").why).toContain("no gpu_purchase for on_prem (L4)");
    expect(recommendation.ways?.purchases.map(({ what }) => what)).toEqual(["training"]);
  });

  test("small cards have their own server and power: write-off and break-even by hand", () => {
    const small = mergePriceBooks([
      book,
      parsePriceFile(
        [
          "records:",
          own("own-l4", 'resource: gpu_hour, product: L4, placements: [cloud], price: "0.8"'),
          own(
            "own-l4-buy",
            'resource: gpu_purchase, product: L4, placements: [on_prem], price: "2000", pricing: owned',
          ),
        ].join("\n"),
        "small.yaml",
      ),
    ]);
    const bought = [
      "model-bytes=2e9",
      "small-server-factor=2.5",
      "small-card-watts=180",
      "card-life-months=36",
    ];
    const plan = planOf("chatbot", [...bought, "active-gpus=1", "redundant-replicas=1"], small);
    const serving = plan.ways?.purchases.find(({ what }) => what === "serving") ?? expect.fail("no cards");
    const running = 2 * 0.18 * (730 * 0.12 + 150);
    const months = (2 * 2000 * 2.5) / (2 * 730 * 0.8 - running);
    expect(Number(serving.breakEvenMonths.expected)).toBeCloseTo(Math.ceil(months * 100) / 100, 6);
    expect(dollars(wayOf(plan, "own").upfront?.expected)).toBe(2 * 2000 * 2.5);
  });

  test("of every template: each way is there, its total is the sum of its lines, and the planned one costs what the plan does", () => {
    for (const name of templateNames) {
      const { ways, production } = planOf(name, [], shipped);
      expect(ways?.ways.map((way) => way.name)).toEqual([...planWayNames]);
      for (const { infrastructure, total, lines = [], planned, upfront } of ways?.ways ?? []) {
        if (!infrastructure || !total) continue;
        for (const which of ["low", "expected", "high"] as const) {
          const sum = (of: typeof lines) =>
            of.reduce((all, { cost }) => all + money(cost[which].split(" ")[0] ?? "", "USD").nanos, 0n);
          expect(sum(lines)).toBe(money(total[which].split(" ")[0] ?? "", "USD").nanos);
          expect(sum(lines.filter(({ category }) => category !== "people"))).toBe(
            money(infrastructure[which].split(" ")[0] ?? "", "USD").nanos,
          );
        }
        if (planned && !upfront) expect(infrastructure).toEqual(production?.infrastructure);
      }
      expect(ways?.ways.filter(({ planned }) => planned).length).toBeLessThanOrEqual(1);
    }
  });
});
