import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { combineSteps, logHarmEvidence } from "./harm-evidence.ts";
import { rateBounds } from "./rate-bounds.ts";

const share = fc.double({ min: 0.001, max: 0.9, noNaN: true });
const events = fc.integer({ min: 0, max: 3000 });

describe("evidence of harm", () => {
  test("it is the integral that it is said to be", () => {
    // ∫ (θ/ρ)ᵏ ((1−θ)/(1−ρ))ᵐ over the cut-off prior, by the midpoints of 200,000 strips.
    for (const [candidate, control, rho] of [
      [0, 0, 0.05],
      [3, 10, 0.05],
      [12, 90, 0.05],
      [0, 40, 0.25],
      [30, 20, 0.5],
    ] as const) {
      const strips = 200_000;
      let [mass, sum] = [0, 0];
      for (let i = 0; i < strips; i++) {
        const theta = rho + ((1 - rho) * (i + 0.5)) / strips;
        const density = theta ** (20 * rho - 1) * (1 - theta) ** (20 * (1 - rho) - 1);
        mass += density;
        sum += density * (theta / rho) ** candidate * ((1 - theta) / (1 - rho)) ** control;
      }
      expect(logHarmEvidence({ candidate, control, share: rho })).toBeCloseTo(Math.log(sum / mass), 3);
    }
  });

  test("its mean over the next event is what it is now when that is the candidate's by its share", () => {
    fc.assert(
      fc.property(share, events, events, (rho, candidate, control) => {
        const of = (k: number, m: number) => logHarmEvidence({ candidate: k, control: m, share: rho });
        const now = of(candidate, control);
        const mean =
          rho * Math.exp(of(candidate + 1, control) - now) +
          (1 - rho) * Math.exp(of(candidate, control + 1) - now);
        expect(mean).toBeCloseTo(1, 6);
      }),
    );
  });

  test("an event of the candidate speaks for harm, one of the champion against it", () => {
    fc.assert(
      fc.property(share, events, events, (rho, candidate, control) => {
        const now = logHarmEvidence({ candidate, control, share: rho });
        expect(logHarmEvidence({ candidate: candidate + 1, control, share: rho })).toBeGreaterThan(now);
        expect(logHarmEvidence({ candidate, control: control + 1, share: rho })).toBeLessThan(now);
      }),
    );
  });

  test("a share that is none is refused", () => {
    for (const wrong of [0, 1, Number.NaN])
      expect(() => logHarmEvidence({ candidate: 1, control: 1, share: wrong })).toThrow(RangeError);
  });
});

describe("evidence over steps", () => {
  test("its mean over the next step is what it is now where that step's is 1", () => {
    // A step that multiplies by 3 or by 1/3 with the mean 1.
    const [up, down] = [Math.log(3), Math.log(1 / 3)];
    const chance = (1 - 1 / 3) / (3 - 1 / 3);
    for (const before of [[], [0.4], [-3, 1]]) {
      const mean =
        chance * Math.exp(combineSteps([...before, up], 4)) +
        (1 - chance) * Math.exp(combineSteps([...before, down], 4));
      expect(mean).toBeCloseTo(Math.exp(combineSteps(before, 4)), 12);
    }
  });

  test("what went well before does not hide what goes wrong now", () => {
    expect(combineSteps([-30, 12], 3)).toBeGreaterThan(8);
    expect(combineSteps([12], 1)).toBe(12);
    expect(combineSteps([12], 3)).toBeCloseTo(12 + Math.log(0.9), 4);
  });
});

describe("bounds of a rate", () => {
  test("they hold what was seen, and close with more of the same", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, part) => {
          const k = Math.round(n * part);
          const { low, high } = rateBounds(k, n, 0.05);
          expect(low).toBeLessThanOrEqual(k / n);
          expect(high).toBeGreaterThanOrEqual(k / n);
          const more = rateBounds(10 * k, 10 * n, 0.05);
          expect(more.high - more.low).toBeLessThan(high - low);
        },
      ),
    );
  });

  test("without requests every rate is possible", () => {
    expect(rateBounds(0, 0, 0.05)).toEqual({ low: 0, high: 1 });
    expect(() => rateBounds(2, 1, 0.05)).toThrow(RangeError);
  });
});
