import { formatDecimal, isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Bill } from "../lines.ts";
import { quantityText } from "../quantity.ts";
import { readBill } from "../read-lines.ts";
import { assetMonths, depreciationBill, readDepreciation } from "./depreciation.ts";

const faultOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error)) return `${error.code}: ${error.detail}`;
    throw error;
  }
  return "";
};

const machine = `currency: USD
assets:
  - asset: dgx-1
    line: gpu_hours
    cost: 300000
    salvage: 30000
    from: 2026-01-15
    life_months: 36
    units: 8
    power: {kw: 10.2, price_per_kwh: 0.12, overhead: 1.4}
`;

describe("a depreciation schedule", () => {
  test("a month by hand: 270,000 over 1,096 days, 30 of them in November; power of 720 hours", () => {
    const bill = depreciationBill(readDepreciation(machine, "m.yaml"), "2026-11", "m.yaml");
    // 270,000 x 30 / 1,096 = 7,390.510948905...; 10.2 kW x 1.4 x 720 h x 0.12 = 1,233.792.
    expect(totalOf(bill)).toBe("8624.302948905");
    expect(bill.lines[0]?.capacity).toBe(readCapacity("5760"));
    expect(
      faultOf(() => depreciationBill(readDepreciation(machine, "m.yaml"), "2029-02", "m.yaml")),
    ).toContain("no asset serves in 2029-02");
    expect(formatDecimal(firstMonth(machine).depreciation)).toBe("4187.956204379");
    expect(firstMonth(machine)).toMatchObject({ month: "2026-01", hours: 408n });
  });

  test("whatever the cost and the life, the months sum to the cost less the salvage, and no day is lost or counted twice", () => {
    const day = fc.tuple(
      fc.integer({ min: 2000, max: 2099 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 31 }),
    );
    fc.assert(
      fc.property(
        day,
        fc.integer({ min: 1, max: 120 }),
        fc.bigInt(0n, 10n ** 15n),
        fc.bigInt(0n, 100n),
        ([year, month, at], life, cost, percent) => {
          const days = new Map([
            [2, year % 4 === 0 ? 29 : 28],
            ...[4, 6, 9, 11].map((one) => [one, 30] as const),
          ]);
          const from = `${year}-${String(month).padStart(2, "0")}-${String(Math.min(at, days.get(month) ?? 31)).padStart(2, "0")}`;
          const salvage = (cost * percent) / 100n;
          const months = assetMonths(
            {
              asset: "a",
              line: "a",
              from,
              life_months: life,
              cost: decimal(cost),
              salvage: decimal(salvage),
            },
            "USD",
          );
          expect(months.reduce((sum, { depreciation }) => sum + depreciation.nanos, 0n)).toBe(cost - salvage);
          expect(new Set(months.map((one) => one.month)).size).toBe(months.length);
          expect(months.length === life || months.length === life + 1).toBe(true);
          const end = hoursByDate(from, life);
          expect(months.reduce((sum, { hours }) => sum + hours, 0n)).toBe(BigInt(end));
        },
      ),
    );
  });

  test.each([
    ["from: 2026-01-15", "from: 2026-02-30", "there is no day 2026-02-30"],
    ["life_months: 36", "life_months: 36\n    to: 2027-01-01", "one of to and life_months"],
    ["life_months: 36", "to: 2026-01-15", "it ends on 2026-01-15, not after"],
    ["salvage: 30000", "salvage: 300001", "worth more in the end"],
    ["cost: 300000", "cost: -1", "cost"],
    ["currency: USD", "currency: usd", "currency"],
    ["price_per_kwh: 0.12", "price_per_kwh: 1.0e-10", "is no decimal with at most nine decimals"],
  ])("%s as %s is refused", (good, bad, words) => {
    expect(faultOf(() => readDepreciation(machine.replace(good, bad), "m.yaml"))).toContain(words);
  });
});

function totalOf({ lines, currency }: Bill): string {
  return formatDecimal({ nanos: lines.reduce((sum, { amount }) => sum + amount.nanos, 0n), currency });
}

function readCapacity(text: string): bigint {
  const capacity =
    readBill(`line,kind,amount,currency,capacity\na,metered,1,USD,${text}\n`, "b").lines[0]?.capacity ?? 0n;
  expect(quantityText(capacity)).toBe(text);
  return capacity;
}

function firstMonth(text: string) {
  const { assets, currency } = readDepreciation(text, "m.yaml");
  const [first] = assets.flatMap((asset) => assetMonths(asset, currency));
  if (!first) throw new Error("no month");
  return first;
}

function decimal(nanos: bigint): string {
  return formatDecimal({ nanos, currency: "USD" });
}

/** Hours of service, by the platform's own calendar: `Date` is no part of what is tested. */
function hoursByDate(from: string, life: number): number {
  const [year = 0, month = 0, day = 0] = from.split("-").map(Number);
  const last = Date.UTC(year, month + life, 0) / 86_400_000;
  const end = Math.min(Date.UTC(year, month - 1 + life, 1) / 86_400_000 + day - 1, last);
  return (end - Date.UTC(year, month - 1, day) / 86_400_000) * 24;
}
