import { addMoney, compareMoney, formatMoney, money } from "@portolan/kernel";
import { assert, double, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cost } from "../range.ts";
import { checkpointEvery, type Interruptions, paidPerHourOfWork } from "./interruptions.ts";
import { type OwnershipQuestion, ownOrRent } from "./own-or-rent.ts";

const exact = (value: number) => ({ low: value, expected: value, high: value });
const usd = (amount: string): Cost => {
  const one = money(amount, "USD");
  return { low: one, expected: one, high: one };
};
const interruptions = { every: 24, checkpoint: 0.05, restart: 0.1 };
const always = <T>(value: T) => ({ low: value, expected: value, high: value });
/** The public calculator's case (reference of the project): 8 cards of 35,000 with 40 % for the rest, 400 hours at 4.50. */
const example: OwnershipQuestion = {
  currency: "USD",
  cards: 8,
  usedHours: exact(400),
  peakCards: 0,
  peakHours: exact(0),
  cardPrice: usd("35000"),
  serverFactor: exact(1.4),
  lifeMonths: 36,
  watts: exact(980),
  kilowattHour: usd("0.12"),
  runningMonthly: usd("3000"),
  cloudHour: usd("4.5"),
  reservedDiscount: exact(0.4),
  spotDiscount: exact(0.65),
  interruptions: always(interruptions),
};
const wayOf = (question: OwnershipQuestion, name: string) =>
  ownOrRent(question).ways.find((way) => way.name === name);

describe("owning beside renting", () => {
  test("the public case breaks even after 35.56 months, not after the 137.2 that count the purchase twice", () => {
    const answer = ownOrRent(example);
    const own = wayOf(example, "own");
    expect(own && formatMoney(own.upfront.expected)).toBe("392000 USD");
    // 8 × 400 h × 0.98 kW × 0.12 = 376.32 of power, beside 3,000.
    expect(own && formatMoney(own.monthly.expected)).toBe("3376.32 USD");
    expect(formatMoney(wayOf(example, "on_demand")?.monthly.expected ?? money("0", "USD"))).toBe("14400 USD");
    expect(answer.breakEvenMonths.expected).toBe(3556n);
    // (3,000 + 392,000 / 36) / (8 · 730 · (4.5 − 0.1176)) of the month.
    expect(answer.breakEvenUse.expected).toBeCloseTo(13_888.888_889 / (5840 * 4.3824), 9);
  });

  test("what costs more a month than renting never pays for itself", () => {
    const dear = { ...example, runningMonthly: usd("14100") };
    expect(ownOrRent(dear).breakEvenMonths.expected).toBeUndefined();
    // 616,000 / 11,023.68 are 55.88 months, and cards are worth nothing after 36.
    const costly = { ...example, cardPrice: usd("55000") };
    expect(ownOrRent(costly)).toMatchObject({ least: "on_demand" });
    expect(ownOrRent(costly).breakEvenMonths.expected).toBeUndefined();
    expect(ownOrRent({ ...costly, lifeMonths: 60 }).breakEvenMonths.expected).toBe(5588n);
    expect(ownOrRent({ ...example, cloudHour: usd("0.1") }).breakEvenUse.expected).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test("reserved cards are paid for around the clock, spot ones for what is lost besides", () => {
    expect(formatMoney(wayOf(example, "reserved")?.monthly.expected ?? money("0", "USD"))).toBe("15768 USD");
    const paid = paidPerHourOfWork(interruptions);
    const spot = wayOf(example, "spot")?.monthly.expected ?? money("0", "USD");
    expect(Number(spot.nanos) / 1e9).toBeCloseTo(3200 * 1.575 * paid, 2);
  });

  test("interruptions have a range of their own: rare ones with the low price, many with the high one", () => {
    const many = { every: 3, checkpoint: 0.1, restart: 0.5 };
    const rare = { every: 48, checkpoint: 0.02, restart: 0.05 };
    const { spot, ways } = ownOrRent({
      ...example,
      interruptions: { low: rare, expected: interruptions, high: many },
    });
    expect(spot.paidPerHour).toEqual({
      low: paidPerHourOfWork(rare),
      expected: paidPerHourOfWork(interruptions),
      high: paidPerHourOfWork(many),
    });
    const monthly = ways.find(({ name }) => name === "spot")?.monthly;
    for (const which of ["low", "expected", "high"] as const)
      expect(Number(monthly?.[which].nanos) / 1e9).toBeCloseTo(3200 * 1.575 * spot.paidPerHour[which], 2);
  });

  test("peaks are bought for where all is owned, and rented in the hybrid", () => {
    const question = { ...example, peakCards: 4, peakHours: exact(50) };
    const own = wayOf(question, "own");
    const hybrid = wayOf(question, "hybrid");
    expect(own && formatMoney(own.upfront.expected)).toBe("588000 USD");
    expect(hybrid && formatMoney(hybrid.upfront.expected)).toBe("392000 USD");
    // 200 hours at 4.50 beside what the eight cost.
    expect(hybrid && formatMoney(hybrid.monthly.expected)).toBe("4276.32 USD");
    expect(ownOrRent({ ...question, lifeMonths: 60 }).least).toBe("hybrid");
    expect(wayOf(example, "hybrid")).toBeUndefined();
  });

  test("ranges stay in order, each life is what it is made of, and the least way is the least", () => {
    const some = record({
      cards: integer({ min: 1, max: 500 }),
      peakCards: integer({ min: 0, max: 50 }),
      hours: double({ min: 0, max: 730, noNaN: true }),
      cents: integer({ min: 1, max: 2000 }),
      price: integer({ min: 100, max: 60_000 }),
      lifeMonths: integer({ min: 6, max: 84 }),
      wider: double({ min: 0, max: 0.5, noNaN: true }),
    });
    assert(
      property(some, ({ cards, peakCards, hours, cents, price, lifeMonths, wider }) => {
        const around = (value: number) => ({
          low: value * (1 - wider),
          expected: value,
          high: value * (1 + wider),
        });
        const cost = (low: number, value: number, high: number): Cost => ({
          low: money(String(low), "USD"),
          expected: money(String(value), "USD"),
          high: money(String(high), "USD"),
        });
        const answer = ownOrRent({
          ...example,
          cards,
          peakCards,
          lifeMonths,
          usedHours: around(hours),
          peakHours: around(hours / 4),
          cardPrice: cost(price, price * 2, price * 3),
          cloudHour: cost(cents, cents * 2, cents * 3),
        });
        for (const { upfront, monthly, overLife } of answer.ways) {
          for (const range of [upfront, monthly, overLife]) {
            expect(compareMoney(range.low, range.expected)).toBeLessThanOrEqual(0);
            expect(compareMoney(range.expected, range.high)).toBeLessThanOrEqual(0);
          }
          const months = Array.from({ length: lifeMonths }, () => monthly.expected);
          expect(overLife.expected).toEqual(months.reduce(addMoney, upfront.expected));
        }
        const { low, expected, high } = answer.breakEvenMonths;
        expect(low ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(expected ?? Number.POSITIVE_INFINITY);
        expect(expected ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(high ?? Number.POSITIVE_INFINITY);
        const certain = answer.ways.filter(({ name }) => name !== "spot");
        const least = certain.find(({ name }) => name === answer.least);
        for (const way of certain)
          expect(least && compareMoney(least.overLife.expected, way.overLife.expected)).toBeLessThanOrEqual(
            0,
          );
      }),
    );
  });
});

describe("interruptions", () => {
  /** Seeded and simple: mulberry32. */
  const random = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  /** Hours until so many intervals are done, with interruptions in work, checkpoints and restarts alike. */
  function simulate(
    { every, checkpoint, restart }: Interruptions,
    interval: number,
    intervals: number,
  ): number {
    const next = random(7);
    const untilInterrupted = () => -every * Math.log(1 - next());
    let hours = 0;
    let left = untilInterrupted();
    const spend = (need: number): boolean => {
      if (left >= need) {
        hours += need;
        left -= need;
        return true;
      }
      hours += left;
      left = untilInterrupted();
      return false;
    };
    for (let done = 0; done < intervals; ) {
      if (spend(interval + checkpoint)) done++;
      else while (!spend(restart));
    }
    return hours;
  }

  test.each([
    [{ every: 24, checkpoint: 0.05, restart: 0.1 }],
    [{ every: 3, checkpoint: 0.1, restart: 0.5 }],
    [{ every: 1, checkpoint: 0.02, restart: 0.02 }],
  ])("what is paid for an hour of work is what a simulation pays: %o", (of) => {
    const interval = checkpointEvery(of);
    const simulated = simulate(of, interval, 200_000) / (200_000 * interval);
    expect(Math.abs(simulated / paidPerHourOfWork(of) - 1)).toBeLessThan(0.01);
  });

  test("the interval is √(2·C·M), and others lose more", () => {
    const of = { every: 24, checkpoint: 0.05, restart: 0.1 };
    expect(checkpointEvery(of)).toBeCloseTo(Math.sqrt(2 * 0.05 * 24), 12);
    for (const factor of [0.25, 0.5, 2, 4])
      expect(paidPerHourOfWork(of, checkpointEvery(of) * factor)).toBeGreaterThan(paidPerHourOfWork(of));
  });
});
