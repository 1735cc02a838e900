import { formatMoney, money } from "@portolan/kernel";
import { array, assert, boolean, integer, option, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { curveOfPercentiles, grownCurve, type LoadCurve, readLoadCurve } from "./load-curve.ts";
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
    server: integer({ min: 1, max: 3 }),
  });

  test("is as cheap as the best of all mixes with all ways to do the work, also where work may be interrupted, owning has a cost of its own and owned units come in whole servers", () => {
    let [mixed, whole, unused] = [0, 0, 0];
    assert(
      property(small, ({ curve, own, one, three, demand, spot, ownOnce, has, server }) => {
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
          ownedTogether: server,
          onDemandHour: usd(String(demand)),
          ...(spot === undefined ? {} : { spotHour: usd(String(spot)) }),
        };
        const { mix, costs, peak, bands } = procure(question);
        const has1 = (name: string): boolean => question.ways.some((way) => way.name === name);
        const most = (name: string): number => (has1(name) ? peak : 0);
        const mostOwned = has1("own") ? Math.ceil(peak / server) * server : 0;
        let least: bigint | undefined;
        for (let owned = 0; owned <= mostOwned; owned += server)
          for (let years = 0; years <= most("reserved_1y"); years++)
            for (let triple = 0; triple <= most("reserved_3y"); triple++) {
              const cost = searched(question, { own: owned, reserved_1y: years, reserved_3y: triple });
              if (least === undefined || cost < least) least = cost;
            }
        // Five parts are rounded to whole nanos.
        const off = costs.total.nanos - (least ?? 0n);
        expect(off >= -3n && off <= 3n, `${off}`).toBe(true);
        expect(mix.own % server).toBe(0);
        if (mix.own > 0 && server > 1) whole++;
        if (mix.own > peak) unused++;
        const own1 = searched(question, mix) - costs.total.nanos;
        expect(own1 >= -3n && own1 <= 3n).toBe(true);
        if (new Set(bands.map(({ way }) => way)).size > 1) mixed++;
      }),
      { numRuns: 300 },
    );
    expect(mixed).toBeGreaterThan(5);
    expect(whole).toBeGreaterThan(5);
    expect(unused).toBeGreaterThan(0);
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

  test("servers of eight: the ninth card brings seven more, and is rented where those cost more than they save", () => {
    const flat = (units: number): LoadCurve => [{ ms: hour, units, interruptible: 0 }];
    const eight = { ...prices, ways: prices.ways.slice(0, 1), ownedTogether: 8 };
    // A card saves 26,280 × 3.78 = 99,338.40 and costs 42,000: a server of eight, 336,000, pays from four cards on.
    expect([1, 3, 4, 8, 9, 11, 12].map((units) => procure({ ...eight, curve: flat(units) }).mix.own)).toEqual(
      [0, 0, 8, 8, 8, 8, 16],
    );
    const { alone } = procure({ ...eight, curve: flat(9) });
    const own = alone.find(({ way }) => way === "own");
    // 16 × 42,000 + 9 × 26,280 × 0.12.
    expect(own && formatMoney(own.costs.total)).toBe("700382.4 USD");
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
  test("growth is compounded by the month, parts take a whole card, and every month counts the same", () => {
    const curve = [
      { ms: 3 * hour, units: 4, interruptible: 1 },
      { ms: hour, units: 10, interruptible: 10 },
    ];
    // 4, 4.4, 4.84 and 10, 11, 12.1; of what may be interrupted 1, 1.1, 1.21 and 10, 11, 12.1.
    expect(grownCurve(curve, 3, 0.1)).toEqual([
      { ms: 3 * hour, units: 4, interruptible: 1 },
      { ms: hour, units: 10, interruptible: 10 },
      { ms: 6 * hour, units: 5, interruptible: 1 },
      { ms: hour, units: 11, interruptible: 11 },
      { ms: hour, units: 13, interruptible: 12 },
    ]);
    expect(grownCurve(curve, 2, -0.5)).toEqual([
      ...curve,
      { ms: 3 * hour, units: 2, interruptible: 0 },
      { ms: hour, units: 5, interruptible: 5 },
    ]);
    expect(() => grownCurve(curve, 240, 0.1)).toThrow("more than 100000 units");
  });

  test("whatever the load, without growth it stays as it is, and every price that of the months one after the other", () => {
    const step = record({
      ms: integer({ min: 1, max: 9 }).map((hours) => hours * hour),
      units: integer({ min: 0, max: 6 }),
      interruptible: integer({ min: 0, max: 6 }),
    }).map((one) => ({ ...one, interruptible: Math.min(one.units, one.interruptible) }));
    assert(
      property(
        array(step, { minLength: 1, maxLength: 4 }),
        integer({ min: 1, max: 5 }),
        integer({ min: -20, max: 60 }),
        (curve, months, percent) => {
          const mix = { own: 1, reserved_1y: 0, reserved_3y: 2 };
          const price = (steps: LoadCurve): bigint => priceMix({ ...prices, curve: steps }, mix).total.nanos;
          const near = (a: bigint, b: bigint): boolean => a - b <= 5n && b - a <= 5n;
          expect(near(price(grownCurve(curve, months, 0)), price(curve))).toBe(true);
          const byHand = Array.from({ length: months }, (_, month) =>
            curve.map(({ ms, units, interruptible }) => {
              // In whole hundredths: no floating point.
              const [up, down] = [BigInt(100 + percent) ** BigInt(month), 100n ** BigInt(month)];
              return {
                ms,
                units: Number((BigInt(units) * up + down - 1n) / down),
                interruptible: Number((BigInt(interruptible) * up) / down),
              };
            }),
          ).flat();
          expect(near(price(grownCurve(curve, months, percent / 100)), price(byHand))).toBe(true);
        },
      ),
    );
  });

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
