import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assumptionKeys, assumptionOption, kindOf } from "../costs/assumption-catalogue.ts";
import { parseAssumptions } from "../costs/changed-assumptions.ts";
import { moneyOf } from "../money-texts.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { comparePlans } from "./compare-plans.ts";
import { sourcesOf } from "./line-sources.ts";
import { renderComparison } from "./render-comparison.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();
const documents = templateNames.map((name) => requireValid(parseCharter(readTemplate(name))).document);

/** The template scores in batches alone; here somebody waits. */
const churn = answered(requireValid(parseCharter(readTemplate("churn"))).document);

function answered(document: CharterDocument): CharterDocument {
  return { ...document, nonNegotiables: { ...document.nonNegotiables, latencyClass: "interactive" } };
}

function planOf(document: CharterDocument, assume: readonly string[] = [], book = shipped): PlanDocument {
  return planJson(planCharter(document, book, { now, changed: parseAssumptions(assume) }));
}

describe("two plans", () => {
  test("that are the same differ in nothing", () => {
    const { lines, total, assumptions, decisions, gaps } = comparePlans(planOf(churn), planOf(churn));
    expect(lines.every(({ kind }) => kind === "same")).toBe(true);
    expect(total.change.expected).toBe("0 USD");
    expect([assumptions, decisions, gaps.opened, gaps.closed]).toEqual([[], [], [], []]);
  });

  test("that differ in an assumption name it at each line that rests on it, and at no other", () => {
    const found = comparePlans(planOf(churn), planOf(churn, ["answer-bytes=1000"]));
    const changed = found.lines.filter(({ kind }) => kind !== "same");
    expect(changed.map(({ category }) => category)).toEqual(["egress"]);
    expect(changed[0]?.why.join()).toContain("answer: 500 become 1000 bytes");
    // Twice the bytes at the same price: all of the change is the quantity's.
    expect(changed[0]?.change).toEqual(changed[0]?.before);
    expect(changed[0]?.byQuantity).toEqual(changed[0]?.change);
    expect(changed[0]?.byPrice?.expected).toBe("0 USD");
  });

  test("that differ in a price say so, and the quantity has no part in it", () => {
    const own = parsePriceFile(
      `records:
  - { id: own-egress, resource: egress_gb, placements: [cloud], price: "0.5", currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`,
      "own.yaml",
    );
    const { lines } = comparePlans(planOf(churn), planOf(churn, [], mergePriceBooks([shipped, own])));
    const egress = lines.find(({ category }) => category === "egress");
    expect(egress?.byQuantity?.expected).toBe("0 USD");
    expect(egress?.byPrice).toEqual(egress?.change);
    expect(egress?.why.join()).toContain("become those of own-egress");
  });

  test("that differ in the charter say what it decided, line by line", () => {
    const more: CharterDocument = {
      ...churn,
      requirements: { ...churn.requirements, availability: "99.9%" },
      retention: { ...churn.retention, predictions: "5y" },
    };
    const found = comparePlans(planOf(churn), planOf(more));
    const log = found.lines.find(({ what }) => what.startsWith("prediction log"));
    expect(log?.kind).toBe("changed");
    expect(log?.why.join()).toContain("by what the charter says");
    const serving = found.lines.find(({ what }) => what.startsWith("serving, one core"));
    expect(serving?.why.join()).toContain("redundant replicas: 1 / 1 / 2 become 3");
    expect(renderComparison(found)).toContain("prediction log");
  });

  test("of another tier have lines that only one of them has", () => {
    const found = comparePlans(planOf(churn), planOf(churn, ["model-bytes=2e9"]));
    expect(found.decisions.join()).toContain("tier: cpu becomes gpu");
    expect(found.lines.find(({ what }) => what === "serving on GPUs")).toMatchObject({
      kind: "added",
      before: { expected: "0 USD" },
    });
    const back = comparePlans(planOf(churn, ["model-bytes=2e9"]), planOf(churn));
    expect(back.lines.find(({ what }) => what === "serving on GPUs")?.kind).toBe("removed");
  });

  test("in two currencies are refused", () => {
    const rates = parsePriceFile(
      "records: []\nexchange: [{from: USD, to: EUR, rate: '0.9', asOf: 2026-05-29, source: own bank}]",
      "own.yaml",
    );
    const euros = planOf(churn, [], mergePriceBooks([shipped, rates]));
    expect(() => comparePlans(planOf(churn), euros)).toThrow("planner.plans_not_comparable");
  });

  test("of any two charters and assumptions: the lines' changes sum to the total's, and each is its quantity's and its price's", () => {
    const assume = fc.record({
      "model-bytes": fc.integer({ min: 1e5, max: 2e10 }),
      "average-requests-per-second": fc.integer({ min: 1, max: 3000 }),
      engineers: fc.integer({ min: 0, max: 5 }),
    });
    const plan = fc.tuple(fc.constantFrom(...documents), assume).map(([document, figures]) =>
      planOf(
        document,
        Object.entries(figures).map(([name, value]) => `${name}=${value}`),
      ),
    );
    fc.assert(
      fc.property(plan, plan, (before, after) => {
        const { lines, total } = comparePlans(before, after);
        for (const which of ["low", "expected", "high"] as const) {
          const sum = lines.reduce((all, { change }) => all + moneyOf(change[which]).nanos, 0n);
          expect(sum).toBe(moneyOf(total.change[which]).nanos);
          for (const { byQuantity, byPrice, change } of lines)
            if (byQuantity && byPrice)
              expect(moneyOf(byQuantity[which]).nanos + moneyOf(byPrice[which]).nanos).toBe(
                moneyOf(change[which]).nanos,
              );
        }
      }),
      { numRuns: 40 },
    );
  });

  test("each line that changes with an assumption is known to rest on it (planned again, for every assumption and template)", () => {
    let seen = 0;
    // What compliance adds is a share of whatever changed, and what is priced apart rests on figures of its own.
    const apart = ["compliance", "batch_inference", "retrieval", "fine_tuning"];
    for (const document of documents) {
      const before = planOf(document);
      for (const key of assumptionKeys) {
        const was = before.assumptions.find((one) => one.key === assumptionOption(key))?.value.expected ?? 0;
        const { least, most, group } = kindOf(key);
        const value = Math.min(most, Math.max(least, was === 0 ? 0.5 : was * 1.7));
        const { lines } = comparePlans(before, planOf(document, [`${assumptionOption(key)}=${value}`]));
        const changed = lines.filter(({ kind }) => kind === "changed");
        if (group !== "costs" && group !== "cards")
          expect(changed.filter(({ category }) => !apart.includes(category))).toEqual([]);
        for (const line of changed) {
          // What compliance adds is a share of whatever else changed.
          if (line.category === "compliance") continue;
          expect(sourcesOf(line), `${line.category}: ${line.what}`).toContain(assumptionOption(key));
          seen += 1;
        }
      }
    }
    expect(seen).toBeGreaterThan(100);
  });
});
