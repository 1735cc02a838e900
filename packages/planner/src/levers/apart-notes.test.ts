import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { parseAssumptions } from "../costs/changed-assumptions.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { leverNames } from "./levers.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const own = (id: string, rest: string) =>
  `  - { id: ${id}, ${rest}, currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`;
const book = mergePriceBooks([
  readShippedPrices(),
  parsePriceFile(
    [
      "records:",
      own("own-core", 'resource: cpu_core_hour, placements: [cloud], price: "0.04"'),
      own("own-core-1y", 'resource: cpu_core_hour, placements: [cloud], price: "0.03", pricing: reserved_1y'),
      own("own-memory", 'resource: memory_gib_hour, placements: [cloud], price: "0.004"'),
      own(
        "own-memory-1y",
        'resource: memory_gib_hour, placements: [cloud], price: "0.003", pricing: reserved_1y',
      ),
      own("own-l4", 'resource: gpu_hour, product: L4, placements: [cloud, on_prem], price: "1"'),
      own("own-a100", 'resource: gpu_hour, product: A100-80GB, placements: [cloud, on_prem], price: "2"'),
      own(
        "own-a100-buy",
        'resource: gpu_purchase, product: A100-80GB, placements: [on_prem], price: "36000", pricing: owned',
      ),
      own("own-kwh", 'resource: power_kwh, placements: [on_prem], price: "0"'),
      own("own-room", 'resource: colocation_kw_month, placements: [on_prem], price: "0"'),
    ].join("\n"),
    "own.yaml",
  ),
]);
const recommendation = requireValid(parseCharter(readTemplate("recommendation"))).document;

function planOf(assume: readonly string[], document: CharterDocument = recommendation): PlanDocument {
  return planJson(planCharter(document, book, { now, changed: parseAssumptions(assume) }));
}
const leverOf = (plan: PlanDocument, name: string) =>
  plan.levers?.levers.find((lever) => lever.name === name) ?? expect.fail(`no lever ${name}`);
const wayOf = (plan: PlanDocument, name: string) =>
  plan.ways?.ways.find((way) => way.name === name) ?? expect.fail(`no way ${name}`);
const dollars = (text = ""): number => Number(text.split(" ")[0]);

const retrieval = [
  "retrieval-vectors=1048576",
  "vector-bytes=4096",
  "vector-index-factor=1.5",
  "retrieval-copies=2",
  "retrieval-queries-per-second=300",
  "retrieval-ms-per-query=6",
  "planned-utilisation=0.6",
];
/** 25 card hours a run, two runs. */
const tuning = [
  "fine-tuning-tokens=1e8",
  "fine-tuning-epochs=3",
  "fine-tuning-parameters=7e9",
  "flops-per-parameter-token=6",
  "useful-tflops=140",
  "fine-tuning-runs-per-month=2",
];
/** A million rows of 3.6 ms are an hour of a card. */
const batch = [
  "batch-rows-per-run=1e6",
  "batch-ms-per-row=3.6",
  "batch-runs-per-month=30",
  "model-bytes=2e9",
];

describe("levers of workloads priced apart", () => {
  test("what searches all month is reserved beside what answers, by hand", () => {
    const saved = (assume: readonly string[]) =>
      dollars(leverOf(planOf(assume), "reserved_steady").saving?.expected);
    const fixed = ["model-bytes=2e7", "planned-utilisation=0.6"];
    const without = saved(fixed);
    // 8,760 GiB hours and 2,190 core hours (`workloads.test.ts`), 0.001 and 0.01 less each.
    expect(saved(["model-bytes=2e7", ...retrieval]) - without).toBeCloseTo(8.76 + 21.9, 6);
  });

  test("a quantised model takes less time of a batch on the cards that it has, by hand", () => {
    const changing = [...batch, "quantised-size=0.3", "quantised-time=0.5", "gpu-memory-factor=1"];
    const lines = (assume: readonly string[]) =>
      dollars(leverOf(planOf(assume), "quantisation").saving?.expected);
    const more =
      lines(changing) - lines(changing.map((one) => one.replace("rows-per-run=1e6", "rows-per-run=0")));
    // 30 hours of an L4 at 1 USD become 15, of which 600 MB (below what takes cards) are no reason to leave the card;
    // 0.5 + 3 · 2 GB of memory become 0.5 + 3 · 0.6 GB for half of the time.
    const gib = (gb: number) => 0.5 + (3 * gb * 1e9) / 2 ** 30;
    expect(more).toBeCloseTo(15 + 0.004 * (30 * gib(2) - 15 * gib(0.6)), 4);
  });

  test.each([...leverNames])(
    "%s says of each what it does, or why nothing, and of none without a size",
    (name) => {
      const why = leverOf(planOf([...retrieval, ...tuning, ...batch]), name).why;
      for (const words of ["; batch inference: ", "; retrieval: ", "; fine-tuning: "]) {
        expect(why).toContain(words);
        expect(leverOf(planOf([]), name).why).not.toContain(words);
      }
    },
  );
});

describe("ways to pay for workloads priced apart", () => {
  test("cards that tune are bought, written off, and compared with renting them, by hand", () => {
    const plan = planOf([...tuning, "server-factor=1", "card-life-months=36", "card-watts=0"]);
    const line = wayOf(plan, "own").lines?.find(({ category }) => category === "fine_tuning");
    expect(line).toMatchObject({
      what: "1 own cards for fine-tuning, written off",
      cost: { expected: "1000 USD" },
    });
    const bought = plan.ways?.purchases.find(({ what }) => what === "fine-tuning");
    // 50 hours a month at 2 USD: 100 a month would take 360 months, and a card lives 36.
    expect(bought).toMatchObject({
      cards: 1,
      usedHours: { expected: 50 },
      breakEvenMonths: { expected: null },
    });
  });

  test("as many cards of a batch as its window asks for", () => {
    // 8 card hours within 2.
    const assume = [...batch, "batch-rows-per-run=8e6", "batch-window-hours=2", "model-bytes=2e10"];
    const once = assume.filter(
      (one, at) => !assume.slice(at + 1).some((later) => later.split("=")[0] === one.split("=")[0]),
    );
    const bought = planOf(once).ways?.purchases.find(({ what }) => what === "batch inference");
    expect(bought?.cards).toBe(4);
    expect(bought?.usedHours.expected).toBeCloseTo(60, 9);
  });

  test("hybrid rents what tunes, and a place that the charter excludes for it is named", () => {
    const plan = planOf(tuning);
    const of = (name: string) => wayOf(plan, name).lines?.find(({ category }) => category === "fine_tuning");
    expect(of("hybrid")?.what).toContain("in the cloud");
    expect(of("own")?.what).not.toContain("in the cloud");
    const health = requireValid(parseCharter(readTemplate("healthcare-readmission"))).document;
    const excluded = wayOf(planOf(tuning, health), "cloud_on_demand").excludedBy;
    expect(excluded.some((line) => line.startsWith("fine_tuning: "))).toBe(true);
    expect(wayOf(planOf([], health), "cloud_on_demand").excludedBy.join()).not.toContain("fine_tuning: ");
  });
});
