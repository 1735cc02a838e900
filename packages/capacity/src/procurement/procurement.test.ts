import { formatMoney, money } from "@portolan/kernel";
import { array, assert, boolean, integer, option, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { curveOfPercentiles, type LoadCurve, readLoadCurve } from "./load-curve.ts";
import { fixedWayNames, type Mix, type ProcurementQuestion, priceMix, procure } from "./procure.ts";

const usd = (amount: string) => money(amount, "USD");
const hour = 3_600_000;
const none: Mix = { own: 0, reserved_1y: 0, reserved_3y: 0 };

/** Three years at prices near those of an H100. */
const prices: Omit<ProcurementQuestion, "curve"> = {
  horizonHours: 26_280,
  ways: [
    { name: "own", fixed: usd("42000"), runningHour: usd("0.12") },
    { name: "reserved_1y", fixed: usd("70000"), runningHour: usd("0") },
    { name: "reserved_3y", fixed: usd("45000"), runningHour: usd("0") },
  ],
  ownOnce: usd("0"),
  onDemandHour: usd("3.9"),
  spotHour: usd("2.4"),
};

/**
 * By other means: each mix, and in each step every way to do the work with the units that are there, one after the other. Nanos times milliseconds.
 */
function searched(question: ProcurementQuestion, mix: Mix): bigint {
  const hours = BigInt(question.horizonHours);
  const curveMs = BigInt(question.curve.reduce((sum, { ms }) => sum + ms, 0));
  const running = (name: string): bigint =>
    question.ways.find((way) => way.name === name)?.runningHour.nanos ?? 0n;
  let total = mix.own > 0 ? question.ownOnce.nanos * curveMs : 0n;
  for (const { name, fixed } of question.ways) total += fixed.nanos * BigInt(mix[name]) * curveMs;
  for (const { ms, units, interruptible } of question.curve) {
    let least: bigint | undefined;
    const firm = units - interruptible;
    const within = (most: number): number[] => Array.from({ length: most + 1 }, (_, count) => count);
    const fixed = mix.reserved_1y + mix.reserved_3y;
    for (const reservedFirm of within(Math.min(fixed, firm)))
      for (const ownFirm of within(Math.min(mix.own, firm - reservedFirm)))
        for (const reservedRest of within(Math.min(fixed - reservedFirm, interruptible)))
          for (const ownRest of within(Math.min(mix.own - ownFirm, interruptible - reservedRest)))
            for (const spot of within(question.spotHour ? interruptible - reservedRest - ownRest : 0)) {
              const rented = units - reservedFirm - ownFirm - reservedRest - ownRest - spot;
              const cost =
                BigInt(ownFirm + ownRest) * running("own") +
                BigInt(spot) * (question.spotHour?.nanos ?? 0n) +
                BigInt(rented) * question.onDemandHour.nanos;
              if (least === undefined || cost < least) least = cost;
            }
    total += (least ?? 0n) * BigInt(ms) * hours;
  }
  return total / curveMs;
}

describe("the cheapest mix", () => {
  const small = record({
    curve: array(
      tuple(integer({ min: 1, max: 9 }), integer({ min: 0, max: 4 }), integer({ min: 0, max: 4 })),
      { minLength: 1, maxLength: 4 },
    ),
    own: tuple(integer({ min: 0, max: 50_000 }), integer({ min: 0, max: 4 })),
    one: integer({ min: 0, max: 80_000 }),
    three: integer({ min: 0, max: 80_000 }),
    demand: integer({ min: 1, max: 5 }),
    spot: option(integer({ min: 1, max: 5 }), { nil: undefined }),
    ownOnce: integer({ min: 0, max: 60_000 }),
    has: tuple(boolean(), boolean(), boolean()),
  });

  test("is as cheap as the best of all mixes with all ways to do the work, also where work may be interrupted and owning has a cost of its own", () => {
    let mixed = 0;
    assert(
      property(small, ({ curve, own, one, three, demand, spot, ownOnce, has }) => {
        const all: ProcurementQuestion["ways"] = [
          { name: "own", fixed: usd(String(own[0])), runningHour: usd(String(own[1])) },
          { name: "reserved_1y", fixed: usd(String(one)), runningHour: usd("0") },
          { name: "reserved_3y", fixed: usd(String(three)), runningHour: usd("0") },
        ];
        const question: ProcurementQuestion = {
          curve: curve.map(([ms, units, rest]) => ({
            ms: ms * hour,
            units,
            interruptible: Math.min(units, rest),
          })),
          horizonHours: 26_280,
          ways: all.filter((_, index) => has[index]),
          ownOnce: usd(String(ownOnce)),
          onDemandHour: usd(String(demand)),
          ...(spot === undefined ? {} : { spotHour: usd(String(spot)) }),
        };
        const { mix, costs, peak, bands } = procure(question);
        const most = (name: string): number => (question.ways.some((way) => way.name === name) ? peak : 0);
        let least: bigint | undefined;
        for (let owned = 0; owned <= most("own"); owned++)
          for (let years = 0; years <= most("reserved_1y"); years++)
            for (let triple = 0; triple <= most("reserved_3y"); triple++) {
              const cost = searched(question, { own: owned, reserved_1y: years, reserved_3y: triple });
              if (least === undefined || cost < least) least = cost;
            }
        // Five parts are rounded to whole nanos.
        const off = costs.total.nanos - (least ?? 0n);
        expect(off >= -3n && off <= 3n, `${off}`).toBe(true);
        const own1 = searched(question, mix) - costs.total.nanos;
        expect(own1 >= -3n && own1 <= 3n).toBe(true);
        if (new Set(bands.map(({ way }) => way)).size > 1) mixed++;
      }),
      { numRuns: 300 },
    );
    expect(mixed).toBeGreaterThan(5);
  });

  test("some mix that is not the cheapest is priced as the search prices it", () => {
    const curve = [
      { ms: 2 * hour, units: 4, interruptible: 2 },
      { ms: 5 * hour, units: 1, interruptible: 1 },
      { ms: 1 * hour, units: 3, interruptible: 0 },
    ];
    for (const own of [0, 1, 3, 6])
      for (const reserved of [0, 1, 5]) {
        const mix = { own, reserved_1y: reserved, reserved_3y: 1 };
        const off = priceMix({ ...prices, curve }, mix).total.nanos - searched({ ...prices, curve }, mix);
        expect(off >= -3n && off <= 3n, JSON.stringify(mix)).toBe(true);
      }
  });

  test("a base that never stops is bound for long, peaks are rented, and money is that of the sums by hand", () => {
    // 4 always, 6 more for a quarter of the time, 10 more for a fiftieth.
    const curve = curveOfPercentiles([
      { percent: 75, units: 4 },
      { percent: 98, units: 10 },
      { percent: 100, units: 20 },
    ]);
    const answer = procure({ ...prices, curve });
    // Always: 42,000 + 26,280 × 0.12 = 45,153.60 owned, 45,000 reserved. A quarter: 0.25 × 26,280 × 3.90 = 25,623.
    expect(answer.mix).toEqual({ own: 0, reserved_1y: 0, reserved_3y: 4 });
    expect(answer.bands).toEqual([
      { from: 1, to: 4, way: "reserved_3y", use: { first: 1, last: 1 } },
      { from: 5, to: 20, way: "by_the_hour", use: { first: 0.25, last: 0.02 } },
    ]);
    expect(formatMoney(answer.costs.byWay.reserved_3y)).toBe("180000 USD");
    // (6 × 0.25 + 10 × 0.02) × 26,280 h × 3.90.
    expect(formatMoney(answer.costs.onDemand)).toBe("174236.4 USD");
    expect(answer.costs.onDemandHours).toBeCloseTo(1.7 * 26_280, 6);
    expect(answer.peak).toBe(20);
    expect(answer.loadFactor).toBeCloseTo((4 + 1.5 + 0.2) / 20, 12);
    expect(answer.alone.map(({ way, costs }) => [way, formatMoney(costs.total)])).toEqual([
      ["by_the_hour", "584204.4 USD"],
      ["own", `${20 * 42_000 + 5.7 * 26_280 * 0.12} USD`],
      ["reserved_1y", "1400000 USD"],
      ["reserved_3y", "900000 USD"],
    ]);
  });

  test("breaks even where it says: a little less use and a unit is rented, a little more and it is bound", () => {
    const { breakEven } = procure({ ...prices, curve: [{ ms: hour, units: 1, interruptible: 0 }] });
    for (const { way, onDemand } of breakEven) {
      const only = { ...prices, ways: prices.ways.filter(({ name }) => name === way) };
      const at = (use: number): number => {
        const percent = Number((100 * use).toFixed(6));
        const curve: LoadCurve = curveOfPercentiles([
          { percent: 100 - percent, units: 0 },
          { percent: 100, units: 1 },
        ]);
        return procure({ ...only, curve }).mix[way];
      };
      if (onDemand > 1) continue;
      expect([at(onDemand - 1e-4), at(onDemand + 1e-4)], way).toEqual([0, 1]);
    }
    // 42,000 / (26,280 × (3.90 − 0.12)), and beside spot machines.
    expect(breakEven[0]).toMatchObject({ way: "own", onDemand: 42_000 / 26_280 / 3.78 });
    expect(breakEven[0]?.spot).toBeCloseTo(42_000 / 26_280 / 2.28, 12);
  });

  test("what comes with owning is paid once: one unit does not bear it, many do", () => {
    const once = { ...prices, ways: prices.ways.slice(0, 1), ownOnce: usd("100000") };
    const flat = (units: number): LoadCurve => [{ ms: hour, units, interruptible: 0 }];
    expect(procure({ ...once, curve: flat(1) }).mix).toEqual(none);
    // Each saves 26,280 × 3.78 − 42,000 = 57,338.40.
    expect(procure({ ...once, curve: flat(2) }).mix.own).toBe(2);
  });

  test("a year of quarter hours with thousands of cards is done at once", () => {
    const curve = Array.from({ length: 35_040 }, (_, quarter) => ({
      ms: hour / 4,
      units: Math.round(2500 + 2000 * Math.sin(quarter / 15.3) + 400 * Math.sin(quarter / 2.1)),
      interruptible: 200,
    }));
    const { mix, alone, costs } = procure({ ...prices, curve });
    expect(mix.reserved_3y).toBeGreaterThan(300);
    for (const { costs: other } of alone) expect(costs.total.nanos < other.total.nanos).toBe(true);
    expect(fixedWayNames.every((name) => costs.byWay[name].nanos >= 0n)).toBe(true);
  });

  test("no load costs nothing", () => {
    const answer = procure({ ...prices, curve: [{ ms: hour, units: 0, interruptible: 0 }] });
    expect(answer).toMatchObject({ mix: none, peak: 0, loadFactor: 0, bands: [] });
    expect(answer.costs.total.nanos).toBe(0n);
  });
});

describe("load curves", () => {
  test("rows hold until the next, the last as long as the one before; parts of a card take a whole one", () => {
    const text =
      "time,quantity,interruptible\n2026-01-01T00:00:00Z,2.5,1\n2026-01-01T01:00:00Z,4,\n2026-01-01T03:00:00Z,0,0\n";
    expect(readLoadCurve(text, "load.csv", 0.5)).toEqual([
      { ms: hour, units: 3, interruptible: 1 },
      { ms: 2 * hour, units: 4, interruptible: 2 },
      { ms: 2 * hour, units: 0, interruptible: 0 },
    ]);
  });

  test.each([
    ["time,quantity\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n", "line 3: time: it is not after"],
    ["time,quantity\n2026-01-01T00:00:00Z,-1\n2026-01-02T00:00:00Z,1\n", 'line 2: quantity: "-1" is no'],
    ["time,quantity\n2026-01-01T00:00:00Z,1e9\n2026-01-02T00:00:00Z,1\n", "line 2: quantity"],
    ["time,quantity\n2026-01-01,1\n2026-01-02T00:00:00Z,1\n", "line 2: time"],
    ["time,quantity\n2026-01-01T00:00:00Z,1\n", "one row alone"],
    [
      "time,quantity,interruptible\n2026-01-01T00:00:00Z,1,2\n2026-01-02T00:00:00Z,1,1\n",
      "more than the quantity",
    ],
    ["at,quantity\nx,1\n", "no column time"],
  ])("%j is refused", (text, why) => {
    expect(() => readLoadCurve(text, "load.csv")).toThrow(why);
  });

  test.each([
    [[{ percent: 50, units: 1 }], "not that of 100 %"],
    [
      [
        { percent: 50, units: 3 },
        { percent: 100, units: 2 },
      ],
      "100:2 does not ascend",
    ],
    [
      [
        { percent: 100, units: 1 },
        { percent: 100, units: 2 },
      ],
      "does not ascend",
    ],
    [[{ percent: 100, units: Number.NaN }], "no percentile"],
    [[], "not that of 100 %"],
  ])("percentiles %j are refused", (percentiles, why) => {
    expect(() => curveOfPercentiles(percentiles)).toThrow(why);
  });
});
