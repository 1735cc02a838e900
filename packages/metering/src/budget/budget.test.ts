import { money, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findAnomalies, type TeamUsage } from "../anomaly/find-anomalies.ts";
import { judgeWeek } from "../anomaly/judge-week.ts";
import { dailyQuantities, dayMicros } from "../usage/daily-usage.ts";
import { countedAs } from "../usage/resources.ts";
import { forecastMonth } from "./forecast.ts";
import { alertPercents, estimated, judgeStanding } from "./judge-budget.ts";
import { costOf } from "./usage-cost.ts";

const midnight = parseInstant("2026-11-23T00:00:00Z");
/** Uniform numbers, the same each time. */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("days", () => {
  test("quantities are kept whole however they are spread, and lie in their days", () => {
    const stretch = fc.tuple(
      fc.integer({ min: 0, max: 9 * 86_400 }),
      fc.integer({ min: 0, max: 86_400 * 9 }),
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
    );
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 8 }), (stretches) => {
        const usage = stretches.map(([at, length, quantity]) => ({
          quantity,
          start: midnight + at * 1e6,
          end: midnight + Math.min(10 * 86_400, at + length) * 1e6,
        }));
        const daily = dailyQuantities(usage, midnight, 10);
        const total = usage.reduce((sum, { quantity }) => sum + quantity, 0n);
        expect(daily.reduce((sum, day) => sum + day, 0n)).toBe(total);
      }),
    );
    expect(
      dailyQuantities([{ quantity: 30n, start: midnight, end: midnight + 3 * dayMicros }], midnight, 3),
    ).toEqual([10n, 10n, 10n]);
    expect(dailyQuantities([{ quantity: 5n, start: midnight - 1, end: midnight - 1 }], midnight, 2)).toEqual([
      0n,
      0n,
    ]);
  });
});

describe("forecasts", () => {
  test("steady days go on as they are, without doubt; fewer than three say nothing", () => {
    expect(forecastMonth(100, [10, 10, 10, 10], 5)).toEqual({ expected: 150, low: 150, high: 150, days: 4 });
    expect(forecastMonth(100, [10, 10], 5)).toBeUndefined();
    // A rhythm of weeks is kept whole: ten days rest on the last seven.
    expect(forecastMonth(0, [99, 99, 99, 0, 7, 7, 7, 7, 7, 0], 7)).toMatchObject({ expected: 35, days: 7 });
    expect(forecastMonth(50, [0, 100, 0, 0], 1)?.low).toBe(50);
  });

  test("four of five months lie in the interval, as counted over 4,000 of them", () => {
    const draw = draws(20_261_123);
    // Box and Muller.
    const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    for (const [days, left] of [
      [14, 10],
      [5, 20],
      [28, 3],
    ] as const) {
      let within = 0;
      for (let month = 0; month < 4000; month++) {
        const day = () => 1000 + 200 * normal();
        const found = forecastMonth(0, Array.from({ length: days }, day), left);
        let truth = 0;
        for (let ahead = 0; ahead < left; ahead++) truth += day();
        if (found && truth >= found.low && truth <= found.high) within += 1;
      }
      // Three standard errors of a share of 0.8 in 4,000 are 0.019.
      expect(within / 4000, `${days} days`).toBeGreaterThan(0.781);
      expect(within / 4000, `${days} days`).toBeLessThan(0.819);
    }
  });
});

describe("budgets", () => {
  const ceiling = money("1000", "USD");
  const standing = (
    spent: string,
    forecast?: readonly [number, number],
    beyond: "alert" | "hold" = "alert",
  ) =>
    judgeStanding({
      ceiling,
      spent: money(spent, "USD"),
      beyond,
      ...(forecast
        ? { forecast: { low: forecast[0] * 1e9, expected: forecast[1] * 1e9, high: 9e15, days: 14 } }
        : {}),
    });

  test("thresholds are passed at their very figure, and a forecast warns before the money is spent", () => {
    expect(standing("499.999999999").passed).toEqual([]);
    expect(standing("500").passed).toEqual([50]);
    expect(standing("800", [900, 990])).toEqual({ passed: [50, 80], exceeds: "unlikely", holds: false });
    expect(standing("300", [900, 1100])).toEqual({ passed: [], exceeds: "may", holds: false });
    expect(standing("300", [1001, 1100])).toEqual({ passed: [], exceeds: "will", holds: false });
    expect(standing("1000", [1000, 1000])).toEqual({
      passed: [...alertPercents],
      exceeds: "did",
      holds: false,
    });
  });

  test("only a charter that says so holds work, and only once the money is spent", () => {
    expect(standing("999.99", [2000, 3000], "hold").holds).toBe(false);
    expect(standing("1000", undefined, "hold").holds).toBe(true);
  });

  test("the articles' report is what its hours cost at its own price; what has no price is named", () => {
    const perUnit = new Map([["gpu_hours", money("3.85", "USD")]]);
    const hours = (count: bigint) => ({
      resource: "gpu_hours",
      quantity: count * countedAs("gpu_hours").perUnit,
    });
    const cost = (count: bigint) => costOf([hours(count)], { currency: "USD", perUnit }).cost;
    expect([5760n, 3840n, 8640n].map(cost)).toEqual([
      money("22176", "USD"),
      money("14784", "USD"),
      money("33264", "USD"),
    ]);
    expect(costOf([hours(1n), { resource: "requests", quantity: 3n }], { currency: "USD", perUnit })).toEqual(
      {
        cost: money("3.85", "USD"),
        unpriced: ["requests"],
      },
    );
    // The pages of providers have egress by 10⁹ bytes: 1.5 GB at 0.09. The bodies themselves have no price.
    const sent = { resource: "egress_gb", quantity: 1_500_000_000n };
    const bodies = { ...sent, resource: "response_gb" };
    const egress = new Map([["egress_gb", money("0.09", "USD")]]);
    expect(costOf([sent, bodies], { currency: "USD", perUnit: egress })).toEqual({
      cost: money("0.135", "USD"),
      unpriced: ["response_gb"],
    });
    expect(costOf([sent], { currency: "USD", perUnit }).unpriced).toEqual(["egress_gb"]);
    expect(estimated(1.234_567e12, ceiling)).toEqual(money("1234.57", "USD"));
  });
});

describe("weeks out of the ordinary", () => {
  const big = 1000n;
  test("research +300 % is told; the same percentage of a small base is not", () => {
    expect(
      judgeWeek({ current: 8640n, before: [2100n, 2160n, 2200n, 2160n], everybody: 12_000n }),
    ).toMatchObject({
      kind: "unusual",
      usual: 2160n,
      percent: 300n,
    });
    expect(judgeWeek({ current: 40n, before: [10n, 10n, 10n, 10n], everybody: 12_000n }).kind).toBe(
      "ordinary",
    );
  });

  test("one bad week before neither hides nor makes one; what swings by itself is ordinary", () => {
    expect(judgeWeek({ current: 4000n, before: [big, big, 9000n, big, big], everybody: 5000n }).kind).toBe(
      "unusual",
    );
    expect(judgeWeek({ current: big, before: [big, big, 1n, big], everybody: 5000n }).kind).toBe("ordinary");
    expect(
      judgeWeek({ current: 2600n, before: [200n, 2400n, 900n, 2500n, 300n, 1200n], everybody: 5000n }).kind,
    ).toBe("ordinary");
    expect(judgeWeek({ current: 0n, before: [big, big, big], everybody: 5000n }).kind).toBe("ordinary");
  });

  test("of what is new nothing is known, unless it matters to everybody at once", () => {
    expect(judgeWeek({ current: 300n, before: [100n, 100n], everybody: 900n }).kind).toBe("unclear");
    expect(judgeWeek({ current: 300n, before: [], everybody: 90_000n }).kind).toBe("unclear");
    expect(judgeWeek({ current: 30_000n, before: [], everybody: 90_000n })).toMatchObject({
      kind: "unusual",
      percent: null,
    });
    expect(judgeWeek({ current: 30n, before: [], everybody: 0n }).kind).toBe("unclear");
  });

  test("steady tenants with some noise alarm nobody in 2,000 weeks, and a fourfold week always does", () => {
    const draw = draws(7);
    let alarms = 0;
    let missed = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const week = () => BigInt(Math.round(10_000 * (0.7 + 0.6 * draw())));
      const before = Array.from({ length: 8 }, week);
      if (judgeWeek({ current: week(), before, everybody: 40_000n }).kind === "unusual") alarms += 1;
      if (judgeWeek({ current: 4n * week(), before, everybody: 40_000n }).kind !== "unusual") missed += 1;
    }
    expect([alarms, missed]).toEqual([0, expect.toSatisfy((count: number) => count < 100)]);
  });

  test("teams are told apart, in words; a whole month in one record is no peak", () => {
    const day = (team: string, ago: number, hours: bigint): TeamUsage => ({
      businessUnit: team === "lab" ? "research" : "finance",
      team,
      resource: "gpu_hours",
      quantity: hours * countedAs("gpu_hours").perUnit,
      start: midnight - ago * dayMicros,
      end: midnight - (ago - 1) * dayMicros,
    });
    const usage = Array.from({ length: 63 }, (_, index) => [
      day("lab", index + 1, index < 7 ? 1234n : 308n),
      day("risk", index + 1, 823n),
    ]).flat();
    expect(findAnomalies(usage, midnight).map(({ summary }) => summary)).toEqual([
      "research/lab: gpu_hours +300 % this week (8638, 2156 in a usual week)",
    ]);
    expect(
      findAnomalies(
        usage.filter(({ team }) => team === "risk"),
        midnight,
      ),
    ).toEqual([]);
    const month = { ...day("risk", 63, 0n), quantity: 10n ** 20n, end: midnight };
    expect(findAnomalies([month], midnight)).toEqual([]);
  });
});
