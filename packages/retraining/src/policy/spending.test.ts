import { addMoney, compareMoney, formatMoney, money, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { beyondBudget, costOfWork, parseMonthly, spendingEvidence, startOfMonth } from "./spending.ts";

const usd = (amount: string) => money(amount, "USD");

describe("what training costs", () => {
  test("is cores times hours times the price, to the billionth", () => {
    // Two cores for an hour and a half at 0.031611: 3 core hours.
    expect(formatMoney(costOfWork(usd("0.031611"), 2, 5_400_000_000))).toBe("0.094833 USD");
    expect(formatMoney(costOfWork(usd("0.031611"), 1, 1_000_000))).toBe("0.000008781 USD");
    expect(costOfWork(usd("5"), 4, 0)).toEqual(usd("0"));
  });

  test("is no less for more work, and for work in two parts differs by a billionth at most", () => {
    const micros = fc.nat({ max: 10 ** 12 });
    fc.assert(
      fc.property(
        fc.nat({ max: 10 ** 9 }),
        fc.integer({ min: 1, max: 64 }),
        micros,
        micros,
        (n, cores, a, b) => {
          const price = { nanos: BigInt(n), currency: "USD" };
          const [whole, parts] = [
            costOfWork(price, cores, a + b),
            addMoney(costOfWork(price, cores, a), costOfWork(price, cores, b)),
          ];
          expect(Math.abs(Number(whole.nanos - parts.nanos))).toBeLessThanOrEqual(1);
          expect(compareMoney(whole, costOfWork(price, cores, a))).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});

describe("a budget", () => {
  const budget = parseMonthly("10 USD/month");

  test("keeps back what is beyond it, with both amounts, and what likely would be", () => {
    expect(beyondBudget(budget, { spent: usd("9.999999999") })).toBeUndefined();
    expect(beyondBudget(budget, { spent: usd("10") })).toBe(
      "training has cost 10 USD of its 10 USD this month",
    );
    expect(beyondBudget(budget, { spent: usd("9"), nextRun: usd("1") })).toBeUndefined();
    expect(beyondBudget(budget, { spent: usd("9"), nextRun: usd("1.000000001") })).toBe(
      "training has cost 9 USD of its 10 USD this month, and another run likely costs 1.000000001 USD",
    );
    expect(beyondBudget(parseMonthly("0 USD/month"), { spent: usd("0") })).toContain("of its 0 USD");
  });

  test("is on the record with what was spent", () => {
    expect(spendingEvidence(budget, { spent: usd("2.5"), nextRun: usd("0.25") })).toEqual({
      budget: "10 USD/month",
      spentThisMonth: "2.5 USD",
      nextRunEstimate: "0.25 USD",
    });
  });

  test("is of one currency: amounts of two are never compared", () => {
    expect(() => beyondBudget(budget, { spent: money("1", "EUR") })).toThrow();
  });

  test("is of a month of the calendar in UTC", () => {
    for (const [now, start] of [
      ["2026-11-28T03:59:00Z", "2026-11-01T00:00:00Z"],
      ["2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"],
      ["2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00Z"],
    ] as const)
      expect(startOfMonth(parseInstant(now))).toBe(parseInstant(start));
  });
});
