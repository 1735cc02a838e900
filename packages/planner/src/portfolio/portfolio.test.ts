import { addMoney, compareMoney, formatMoney, money } from "@portolan/kernel";
import { array, assert, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanDocument } from "../plan-json.ts";
import { planPortfolio } from "./portfolio.ts";

const range = (low: number, expected: number, high: number, currency = "USD") => ({
  low: `${low} ${currency}`,
  expected: `${expected} ${currency}`,
  high: `${high} ${currency}`,
});

interface Shape {
  readonly inference: number;
  readonly platform: number;
  readonly people: number;
}

function planOf(useCase: string, { inference, platform, people }: Shape, currency = "USD"): PlanDocument {
  const quantity = { low: 1, expected: 1, high: 1 };
  const line = (category: string, cost: number) => ({
    category,
    what: category,
    unit: "x",
    quantity,
    priceRecords: [],
    cost: range(cost, cost * 2, cost * 3, currency),
  });
  const machines = inference + platform;
  const all = machines + people;
  return {
    useCase,
    pricedOn: "2026-11-01",
    placement: {
      training: { workload: "training", because: "", candidates: [] },
      inference: { workload: "inference", because: "", candidates: [] },
    },
    production: {
      lines: [line("inference", inference), line("platform", platform), line("people", people)],
      infrastructure: range(machines, machines * 2, machines * 3, currency),
      total: range(all, all * 2, all * 3, currency),
    },
    poc: { lines: [], infrastructure: range(1, 2, 3, currency), total: range(1, 2, 3, currency) },
    budget: { kind: "within", ceiling: `1000 ${currency}` },
    assumptions: [],
    gaps: [],
    warnings: [],
  };
}

const impossible: PlanDocument = {
  useCase: "nowhere",
  pricedOn: "2026-11-01",
  placement: {
    training: { workload: "training", because: "", candidates: [] },
    inference: { workload: "inference", because: "", candidates: [] },
  },
  budget: { kind: "not_comparable", ceiling: "1 USD", why: "the charter excludes every place" },
  assumptions: [],
  gaps: [],
  warnings: [],
};

describe("a portfolio", () => {
  test("is the sum of its plans, with one platform, and names what could not be planned", () => {
    const found = planPortfolio([
      planOf("churn", { inference: 100, platform: 30, people: 500 }),
      planOf("fraud", { inference: 400, platform: 50, people: 500 }),
      impossible,
    ]);
    expect(found.useCases.map(({ useCase }) => useCase)).toEqual(["fraud", "churn"]);
    expect(found.notPlanned).toEqual([{ useCase: "nowhere", why: "the charter excludes every place" }]);
    expect(found.apart).toEqual({ infrastructure: range(580, 1160, 1740), total: range(1580, 3160, 4740) });
    // The smaller of both platforms is not paid.
    expect(found.together).toEqual({
      shared: range(30, 60, 90),
      infrastructure: range(550, 1100, 1650),
      total: range(1550, 3100, 4650),
    });
    expect(found.poc).toEqual(range(2, 4, 6));
  });

  test("pays what compliance adds to the platform once, too", () => {
    const regulated = (useCase: string, platform: number): PlanDocument => {
      const plan = planOf(useCase, { inference: 100, platform, people: 0 });
      const machines = 100 + platform;
      const all = (factor: number) => machines * factor * 1.25;
      const sums = range(all(1), all(2), all(3));
      const uplift = {
        category: "compliance",
        what: "audits",
        unit: "of the machines",
        quantity: { low: 0.25, expected: 0.25, high: 0.25 },
        priceRecords: [],
        cost: range(machines / 4, machines / 2, (machines * 3) / 4),
      };
      return {
        ...plan,
        production: {
          lines: [...(plan.production?.lines ?? []), uplift],
          infrastructure: sums,
          total: sums,
        },
      };
    };
    const { together, apart } = planPortfolio([regulated("a", 40), regulated("b", 80)]);
    expect(together.shared).toEqual(range(50, 100, 150));
    expect(apart.total).toEqual(range(400, 800, 1200));
    expect(together.total).toEqual(range(350, 700, 1050));
  });

  test("of nothing costs nothing", () => {
    expect(planPortfolio([]).together.total).toEqual(range(0, 0, 0));
  });

  test.each([
    [
      "two currencies",
      [
        planOf("a", { inference: 1, platform: 1, people: 1 }),
        planOf("b", { inference: 1, platform: 1, people: 1 }, "EUR"),
      ],
      "EUR and USD",
    ],
    [
      "one use case twice",
      [
        planOf("a", { inference: 1, platform: 1, people: 1 }),
        planOf("a", { inference: 2, platform: 1, people: 1 }),
      ],
      "a is planned twice",
    ],
  ])("with %s is refused", (_, plans, detail) => {
    expect(() => planPortfolio(plans)).toThrow(detail);
  });

  test("categories sum to the total, whatever the order; sharing never costs more, and one plan shares nothing", () => {
    const shapes = array(
      record({
        inference: integer({ min: 0, max: 1e6 }),
        platform: integer({ min: 0, max: 1e6 }),
        people: integer({ min: 0, max: 1e6 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    const moneyOf = (text: string) => money(text.split(" ")[0] ?? "", text.split(" ")[1] ?? "");
    assert(
      property(shapes, (all) => {
        const plans = all.map((shape, index) => planOf(`u${index}`, shape));
        const found = planPortfolio(plans);
        for (const which of ["low", "expected", "high"] as const) {
          const sum = found.categories.map(({ cost }) => moneyOf(cost[which])).reduce(addMoney);
          expect(formatMoney(sum)).toBe(found.apart.total[which]);
          const saved = addMoney(moneyOf(found.together.total[which]), moneyOf(found.together.shared[which]));
          expect(formatMoney(saved)).toBe(found.apart.total[which]);
          expect(
            compareMoney(moneyOf(found.together.total[which]), moneyOf(found.apart.total[which])),
          ).toBeLessThanOrEqual(0);
        }
        expect(planPortfolio(plans.toReversed())).toEqual(found);
        if (plans.length === 1) expect(found.together.shared.expected).toBe("0 USD");
      }),
    );
  });
});
