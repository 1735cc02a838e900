import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateEDetector } from "./e-detector.ts";
import { seededRandom } from "./seeded-random.ts";

/** Trials until the value reaches the bound; the cap where it does not. */
function runLength(baseRate: number, bound: number, isEvent: () => boolean, cap: number): number {
  const detector = new RateEDetector(baseRate);
  while (detector.trials < cap) if (detector.add(isEvent()) >= bound) return detector.trials;
  return cap;
}

describe("detector of a growing rate", () => {
  test("its value is the sum of likelihood ratios over all stretches, averaged over four rates", () => {
    const [base, trials] = [0.2, [false, true, true, false, true]];
    const detector = new RateEDetector(base);
    for (const trial of trials) detector.add(trial);
    const rates = [1.25, 1.5, 2, 4].map((ratio) => (ratio * 0.25) / (1 + ratio * 0.25));
    const ratioOf = (rate: number, from: number): number =>
      trials.slice(from).reduce((product, one) => product * (one ? rate / base : (1 - rate) / (1 - base)), 1);
    const sums = rates.map((rate) => trials.reduce((sum, _, from) => sum + ratioOf(rate, from), 0));
    expect(detector.value).toBeCloseTo(sums.reduce((sum, one) => sum + one, 0) / 4, 12);
  });

  test("at the base rate its mean grows by one a trial, so that an alarm at A takes A trials or more on average", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.9, noNaN: true }),
        fc.array(fc.boolean(), { maxLength: 50 }),
        (base, trials) => {
          const after = (last: boolean): number => {
            const detector = new RateEDetector(base);
            for (const trial of [...trials, last]) detector.add(trial);
            return detector.value;
          };
          const detector = new RateEDetector(base);
          for (const trial of trials) detector.add(trial);
          const mean = base * after(true) + (1 - base) * after(false);
          expect(mean / (detector.value + 1)).toBeCloseTo(1, 9);
        },
      ),
    );
  });

  test("simulated runs without a change are as long as promised, also where the rate wanders below the base rate", () => {
    const random = seededRandom(20_261_127);
    const bound = 1000;
    const mean = (isEvent: () => boolean): number =>
      Array.from({ length: 200 }, () => runLength(0.1, bound, isEvent, 20_000)).reduce((a, b) => a + b) / 200;
    expect(mean(() => random() < 0.1)).toBeGreaterThan(bound);
    let rate = 0.1;
    const wanders = (): boolean => {
      rate = Math.min(0.1, Math.max(0.05, rate + (random() - 0.5) * 0.01));
      return random() < rate;
    };
    expect(mean(wanders)).toBeGreaterThan(bound);
  });

  test("a change is found after hundreds of trials at a bound of a million, and told when it began", () => {
    const random = seededRandom(7);
    const found = Array.from({ length: 60 }, () => {
      const detector = new RateEDetector(0.1);
      while (detector.value < 1e6) detector.add(random() < (detector.trials < 2000 ? 0.1 : 0.2));
      return { delay: detector.trials - 2000, began: detector.changedAfter };
    });
    const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[30] ?? Number.NaN;
    expect(median(found.map(({ delay }) => delay))).toBeLessThan(400);
    expect(Math.abs(median(found.map(({ began }) => began)) - 2000)).toBeLessThan(60);
  });

  test("starting later only makes less of the same trials", () => {
    const random = seededRandom(3);
    const trials = Array.from({ length: 500 }, () => random() < 0.15);
    const valueFrom = (from: number): number => {
      const detector = new RateEDetector(0.1);
      for (const trial of trials.slice(from)) detector.add(trial);
      return detector.value;
    };
    const values = [0, 100, 250, 499].map(valueFrom);
    expect(values.toSorted((a, b) => b - a)).toEqual(values);
  });

  test("what is no rate is refused", () => {
    for (const rate of [0, 1, -0.1, Number.NaN]) expect(() => new RateEDetector(rate)).toThrow(RangeError);
  });
});
