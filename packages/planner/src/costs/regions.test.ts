import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { parseAssumptions } from "./changed-assumptions.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
const recommendation = requireValid(parseCharter(readTemplate("recommendation"))).document;

function planOf(availability: string, regions: string[], assume: readonly string[] = []): PlanDocument {
  const document: CharterDocument = {
    ...recommendation,
    requirements: { ...recommendation.requirements, availability },
    nonNegotiables: { ...recommendation.nonNegotiables, residency: { regions } },
  };
  return planJson(planCharter(document, shipped, { now, changed: parseAssumptions(assume) }));
}
const lineOf = ({ production }: PlanDocument, beginning: string) =>
  production?.lines.find(({ what }) => what.startsWith(beginning));
const regionsOf = ({ assumptions }: PlanDocument) =>
  assumptions.find(({ key }) => key === "serving-regions")?.value.expected;

describe("regions", () => {
  test.each([
    ["99.9%", ["eu-west-1", "eu-central-1"], 1],
    ["99.98%", ["eu-west-1", "eu-central-1"], 1],
    ["99.99%", ["eu-west-1", "eu-central-1"], 2],
    ["99.99%", ["eu-*"], 2],
    ["99.99%", ["eu-west-1"], 1],
  ])("%s in %j is %i", (availability, regions, count) => {
    expect(regionsOf(planOf(availability, regions))).toBe(count);
  });

  test("what no seller promises is answered by own machines; training and batches cost what they do where answers may be rented", () => {
    const assume = ["batch-rows-per-run=1e8", "batch-runs-per-month=4"];
    const [all, some] = ["99.995%", "99.9%"].map((availability) => planOf(availability, ["eu-*"], assume));
    expect([all?.placement.training.chosen, all?.placement.inference.chosen]).toEqual(["cloud", "on_prem"]);
    expect([some?.placement.training.chosen, some?.placement.inference.chosen]).toEqual(["cloud", "cloud"]);
    const rented = (plan: PlanDocument | undefined) =>
      plan?.production?.lines.filter(
        ({ category, what }) =>
          ["training", "batch_inference"].includes(category) || what === "training sets",
      );
    expect(rented(all)?.map(({ category }) => category)).toEqual(
      expect.arrayContaining(["training", "batch_inference", "storage"]),
    );
    expect(rented(all)).toEqual(rented(some));
  });

  test.each(templateNames)("whatever availability is promised, there is a plan for %s", (name) => {
    const document = requireValid(parseCharter(readTemplate(name))).document;
    for (const availability of ["99%", "99.9%", "99.99%", "99.995%", "99.9999%"]) {
      const { requirements } = document;
      const plan = planCharter({ ...document, requirements: { ...requirements, availability } }, shipped, {
        now,
      });
      expect(plan.production, availability).toBeDefined();
    }
  });

  test("a second one that residency has no place for is a gap", () => {
    const whats = (regions: string[]) =>
      planOf("99.99%", regions)
        .gaps.map(({ what }) => what)
        .join();
    expect(whats(["eu-west-1"])).toContain("asks for copies in two regions");
    expect(whats(["eu-west-1", "eu-central-1"])).not.toContain("asks for copies in two regions");
  });

  test("every region has all replicas, the log and the platform; training stays one", () => {
    const assume = ["redundant-replicas=3"];
    const one = planOf("99.99%", ["eu-*"], [...assume, "serving-regions=1"]);
    const three = planOf("99.99%", ["eu-*"], [...assume, "serving-regions=3"]);
    for (const beginning of [
      "serving, one core",
      "serving, memory",
      "serving on GPUs",
      "prediction log",
      "control plane",
    ]) {
      const [before, after] = [lineOf(one, beginning), lineOf(three, beginning)];
      expect(after?.what).toContain("in 3 regions");
      expect(after?.quantity.expected).toBeCloseTo(3 * (before?.quantity.expected ?? 0), 6);
    }
    expect(lineOf(three, "training on")).toEqual(lineOf(one, "training on"));
    expect(three.poc).toEqual(one.poc);
  });

  test("what the others are sent, by hand: the log and each new model, once a region", () => {
    const assume = [
      "serving-regions=3",
      "average-requests-per-second=10",
      "record-bytes=1000",
      "compression=0.5",
      "model-bytes=4e9",
      "training-runs-per-month=2",
    ];
    const sent = lineOf(planOf("99.99%", ["eu-*"], assume), "log and models");
    expect(sent?.quantity.expected).toBeCloseTo(2 * ((10 * 1000 * 0.5 * 730 * 3600) / 1e9 + 8), 6);
    expect(sent?.priceRecords).toEqual(["egress-region-opencost-default"]);
    expect(lineOf(planOf("99.9%", ["eu-*"]), "log and models")).toBeUndefined();
  });
});
