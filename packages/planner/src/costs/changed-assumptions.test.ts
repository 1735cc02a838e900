import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { isPortolanError, money, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planCharter } from "../plan-charter.ts";
import { planJson } from "../plan-json.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { assumptionKeys, assumptionOption, kindOf } from "./assumption-catalogue.ts";
import { parseAssumptions } from "./changed-assumptions.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const book = readShippedPrices();
const template = requireValid(parseCharter(readTemplate("churn"))).document;
/** The template scores in batches alone; here somebody waits. */
const churn = {
  ...template,
  nonNegotiables: { ...template.nonNegotiables, latencyClass: "interactive" },
} as const;

function planOf(...assume: string[]) {
  return planJson(planCharter(churn, book, { now, changed: parseAssumptions(assume) }));
}

/** What went wrong, with what to do. */
function faultOf(...assume: string[]): string {
  try {
    parseAssumptions(assume);
    return "";
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return `${error.code}: ${error.detail} ${error.mend}`;
  }
}

describe("an assumption that is stated", () => {
  test("is shown as changed, with what it was, and every other as not changed", () => {
    const before = planOf();
    const { assumptions } = planOf("average-requests-per-second=20..40..90");
    const changed = assumptions.filter((one) => one.changed);
    expect(changed).toHaveLength(1);
    expect(changed[0]).toMatchObject({
      key: "average-requests-per-second",
      origin: "stated",
      value: { low: 20, expected: 40, high: 90 },
      was: before.assumptions.find(({ key }) => key === "average-requests-per-second")?.value,
    });
    expect(renderPlan(planOf("answer-bytes=900"))).toContain("CHANGED from 500");
  });

  test("every name of the catalogue is in the plan, once, and can be stated", () => {
    const keys = planOf().assumptions.map(({ key }) => key);
    expect(keys).toEqual(assumptionKeys.map(assumptionOption));
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of assumptionKeys) {
      const { most } = kindOf(key);
      expect(parseAssumptions([`${assumptionOption(key)}=${most}`])[key]?.expected).toBe(most);
    }
  });

  test("changes the cost that rests on it, in proportion where the cost is", () => {
    const egress = (bytes: number) =>
      planOf(`answer-bytes=${bytes}`, "average-requests-per-second=10").production?.lines.find(
        ({ category }) => category === "egress",
      );
    // 10 a second · 2,628,000 s · 1,000 bytes = 26.28 GB.
    expect(egress(1000)?.quantity.expected).toBeCloseTo(26.28, 9);
    expect(egress(2000)?.quantity.expected).toBeCloseTo(2 * 26.28, 9);
  });

  test("of the model's size is what the tier is chosen by", () => {
    expect(planOf("model-bytes=2e9").tier?.tier).toBe("gpu");
    expect(planOf("model-bytes=2e6").tier?.tier).toBe("cpu");
  });

  test("closes the gap that says it is not known", () => {
    const whats = (...assume: string[]) => planOf(...assume).gaps.map(({ what }) => what);
    expect(whats().some((what) => what.includes("CPU time of a prediction"))).toBe(true);
    expect(whats("cpu-ms-per-prediction=2").some((what) => what.includes("CPU time of a prediction"))).toBe(
      false,
    );
  });
});

describe("what is no assumption is refused, with what to do:", () => {
  test.each([
    ["average-request-per-second=1", "Did you mean average-requests-per-second?"],
    ["cold-start=5", "Did you mean cold-start-seconds?"],
    ["modelBytes=1e6", "Did you mean model-bytes?"],
    ["weather=fine", "portolan plan --help"],
    ["__proto__=1", "portolan plan --help"],
    ["constructor=1", "portolan plan --help"],
    ["compression", "between 0 and 1"],
    ["compression=", "between 0 and 1"],
    ["compression=1.01", "between 0 and 1"],
    ["compression=-1", "between 0 and 1"],
    ["compression=0.1..0.2", "LOW..EXPECTED..HIGH"],
    ["compression=0.1..0.2..0.3..0.4", "LOW..EXPECTED..HIGH"],
    ["compression=0.3..0.2..0.1", "not in order"],
    ["compression=0.1=0.2", "between 0 and 1"],
    ["model-bytes=Infinity", "model file"],
    ["model-bytes=0x10", "model file"],
    ["model-bytes=1e99", "model file"],
    ["planned-utilisation=0", "between 0.01 and 1"],
  ])("%s", (text, words) => {
    expect(faultOf(text)).toContain("planner.assumption_not_valid");
    expect(faultOf(text)).toContain(words);
  });

  test("one that is stated twice", () => {
    expect(faultOf("compression=0.1", "compression=0.2")).toContain("twice");
  });
});

test("whatever is stated within bounds, every total is the sum of its lines, and cases stay in order", () => {
  const stated = fc.subarray([...assumptionKeys]).chain((keys) =>
    fc.tuple(
      ...keys.map((key) => {
        const { least, most } = kindOf(key);
        return fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 0, max: 1000 }))).map(
          (parts) =>
            `${assumptionOption(key)}=${parts
              .toSorted((a, b) => a - b)
              .map((part) => least + ((Math.min(most, 1e7) - least) * part) / 1000)
              .map((value) => value.toFixed(6))
              .join("..")}`,
        );
      }),
    ),
  );
  const documents = templateNames.map((name) => requireValid(parseCharter(readTemplate(name))).document);
  const nanos = (text: string) => money(text.split(" ")[0] ?? "", "USD").nanos;
  fc.assert(
    fc.property(stated, fc.constantFrom(...documents), (assume, document) => {
      const changed = parseAssumptions(assume as string[]);
      const { production, poc } = planJson(planCharter(document, book, { now, changed }));
      for (const breakdown of [production, poc])
        for (const which of ["low", "expected", "high"] as const) {
          const lines = breakdown?.lines ?? [];
          const total = lines.reduce((sum, { cost }) => sum + nanos(cost[which]), 0n);
          expect(nanos(breakdown?.total[which] ?? "0 USD")).toBe(total);
        }
      for (const { cost } of production?.lines ?? []) {
        expect(nanos(cost.low)).toBeLessThanOrEqual(nanos(cost.expected));
        expect(nanos(cost.expected)).toBeLessThanOrEqual(nanos(cost.high));
      }
    }),
    { numRuns: 60 },
  );
});
