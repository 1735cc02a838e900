import { describe, expect, test } from "vitest";
import { type HoltWinters, project, smooth, startingState } from "./holt-winters.ts";
import { croston, isIntermittent, syntetosBoylan, teunterSyntetosBabai } from "./intermittent.ts";
import { leastLoss } from "./parameter-search.ts";

/** Monthly passengers of airlines, 1949 to 1960, in thousands: Box and Jenkins (1976), series G. */
const passengers = [
  112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158,
  133, 114, 140, 145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218,
  230, 242, 209, 191, 172, 194, 196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235,
  227, 234, 264, 302, 293, 259, 229, 203, 229, 242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
  284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306, 315, 301, 356, 348, 355, 422, 465, 467, 404,
  347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337, 360, 342, 406, 396, 420, 472,
  548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
];
/** Explosions in British coal mines a year, 1851 to 1961: Jarrett (1979). */
const explosions = [
  4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5, 2, 2, 3, 4,
  2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2,
  1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0,
  1, 0, 1,
];
const additive = [-20, -14, 0, -3, -9, 6, 20, 20, 8, -10, -26, -12];
const multiplicative = [0.91, 0.93, 1.04, 1.01, 0.97, 1.07, 1.18, 1.18, 1.06, 0.94, 0.81, 0.93];
const smoothing = { level: 0.4, trend: 0.1, seasonal: 0.3, damping: 0.95 };

describe("Holt-Winters", () => {
  // statsmodels 0.15.0 with these parameters and states. Squared error and, last, that of its own optimum: ExponentialSmoothing. Forecasts: ETSModel, 1, 12
  // and 24 months ahead; of multiplicative seasons ExponentialSmoothing, 1, 11 and 23 ahead, for it takes whole seasons ahead from the season before.
  test.each([
    [
      "none",
      "none",
      274953.09812506876,
      [449.9435566831507, 449.9435566831507, 449.9435566831507],
      162568.00147712237,
    ],
    [
      "none",
      "additive",
      56510.3268898986,
      [457.5235613914249, 436.98225990443666, 436.98225990443666],
      29430.648987724675,
    ],
    [
      "none",
      "multiplicative",
      29155.328205862912,
      [445.8391948519324, 389.60847645887713, 389.60847645887713],
      22200.56108349951,
    ],
    [
      "additive",
      "none",
      313506.442452986,
      [456.2670064079648, 441.89983394438616, 426.22655489320954],
      161956.0014603362,
    ],
    [
      "additive",
      "additive",
      59508.81904937906,
      [468.12816837965573, 485.4238606741658, 530.9099304749768],
      22234.33253263923,
    ],
    [
      "additive",
      "multiplicative",
      25230.926609140486,
      [453.76678111015167, 431.1335431305213, 473.32051666356415],
      16552.65047896029,
    ],
    [
      "damped",
      "none",
      307348.90659319214,
      [451.900921591777, 428.43859199362214, 414.213015884355],
      162074.78280872077,
    ],
    [
      "damped",
      "additive",
      59714.34273703452,
      [465.1076288687714, 459.3264110243348, 470.2731062449807],
      22599.541950451625,
    ],
    [
      "damped",
      "multiplicative",
      26607.441847537728,
      [451.20825420857756, 412.53078097760596, 425.21197770440165],
      16910.50303467447,
    ],
  ] as const)(
    "%s trend, %s season: as statsmodels, and found as well",
    (trend, seasonal, error, ahead, optimum) => {
      const shape: HoltWinters = { trend, seasonal, season: 12 };
      const start = {
        level: 120,
        trend: trend === "none" ? 0 : 1.5,
        seasonal: seasonal === "none" ? [] : seasonal === "additive" ? additive : multiplicative,
      };
      const state = smooth(passengers, shape, smoothing, start);
      expect(Math.abs(state.squaredError / error - 1)).toBeLessThan(1e-9);
      const forecast = project(shape, smoothing, state, 24);
      for (const [index, lead] of (seasonal === "multiplicative" ? [0, 10, 22] : [0, 11, 23]).entries())
        expect(Math.abs((forecast[lead] ?? 0) / (ahead[index] ?? 0) - 1)).toBeLessThan(1e-9);
      const unit = { least: 0.001, most: 0.999 };
      const bounds = [unit, unit, unit, { least: 0.8, most: 0.995 }];
      const starts = [
        [0.1, 0.02, 0.1, 0.95],
        [0.5, 0.02, 0.1, 0.95],
        [0.9, 0.02, 0.5, 0.95],
      ];
      let least = Number.POSITIVE_INFINITY;
      leastLoss({ bounds, starts }, ([level = 0, rise = 0, season = 0, damping = 0]) => {
        const at = { level, trend: rise, seasonal: season, damping };
        const { squaredError } = smooth(passengers, shape, at, start);
        least = Math.min(least, squaredError);
        return squaredError;
      });
      expect(least / optimum).toBeLessThan(1.01);
    },
  );

  test("a line with a season is found from its first seasons, and continued exactly", () => {
    for (const seasonal of ["additive", "multiplicative"] as const) {
      const shape: HoltWinters = { trend: "additive", seasonal, season: 4 };
      const parts = seasonal === "additive" ? [3, -1, -4, 2] : [1, 1, 1, 1];
      const at = (step: number): number =>
        seasonal === "additive" ? 20 + 0.5 * step + (parts[step % 4] ?? 0) : 20 + 0.5 * step;
      const values = Array.from({ length: 16 }, (_, step) => at(step));
      const start = startingState(values, shape);
      // Seasons are not centred on the line: the state need not be the one that made them, but its errors fade.
      const long = Array.from({ length: 400 }, (_, step) => at(step));
      const ahead = project(shape, smoothing, smooth(long, shape, smoothing, start), 8);
      for (const [step, value] of ahead.entries()) expect(value).toBeCloseTo(at(400 + step), 6);
    }
  });
});

describe("intermittent series", () => {
  // statsforecast 2.1.1: CrostonClassic and CrostonSBA (both smooth by 0.1), TSB with 0.2 and 0.1; of the whole series, from its 41st year, and
  // five years of nothing before its last eleven.
  const tenth = { demand: 0.1, occurrence: 0.1 };
  test.each([
    ["Croston", croston, tenth, [0.7512932716642029, 0.7462781656403332, 0.10660980810234541]],
    ["SBA", syntetosBoylan, tenth, [0.7137286080809927, 0.7089642573583166, 0.10127931769722813]],
    [
      "TSB",
      teunterSyntetosBabai,
      { demand: 0.2, occurrence: 0.1 },
      [0.6400364901573089, 0.6400273072993008, 0.24004900000000004],
    ],
  ] as const)("%s: as statsforecast", (_name, rates, shares, expected) => {
    const late = [0, 0, 0, 0, 0, ...explosions.slice(100)];
    for (const [index, values] of [explosions, explosions.slice(40), late].entries())
      expect(Math.abs((rates(values, shares).at(-1) ?? 0) - (expected[index] ?? 0))).toBeLessThan(1e-9);
  });

  test("nothing was ever wanted: nothing is forecast, and what begins late begins with its first demand", () => {
    for (const rates of [croston, syntetosBoylan, teunterSyntetosBabai]) {
      expect(rates([0, 0, 0], tenth)).toEqual([0, 0, 0]);
      expect(rates([0, 0, 6], tenth).slice(0, 2)).toEqual([0, 0]);
    }
    expect(croston([0, 0, 6], tenth)[2]).toBe(2);
  });

  test("are those whose demands are 1.32 steps apart or more", () => {
    expect(isIntermittent(explosions)).toBe(true);
    expect(isIntermittent(explosions.slice(0, 40))).toBe(false);
    expect(isIntermittent([0, 0])).toBe(false);
  });
});

describe("the search for parameters", () => {
  const unit = { least: 0, most: 1 };
  test("finds the bottom of a bowl, and stays within its box", () => {
    const bowl = ([x = 0, y = 0]: readonly number[]): number => (x - 0.37) ** 2 + 3 * (y - 1.4) ** 2;
    const [x, y] = leastLoss({ bounds: [unit, unit], starts: [[0.5, 0.5]] }, bowl) ?? [];
    expect(x).toBeCloseTo(0.37, 2);
    expect(y).toBe(1);
  });

  test("takes nothing that is not finite", () => {
    const space = { bounds: [unit], starts: [[0.5]] };
    expect(leastLoss(space, () => Number.NaN)).toBeUndefined();
    const [x] = leastLoss(space, ([at = 0]) => (at > 0.6 ? Number.NaN : -at)) ?? [];
    expect(x).toBeCloseTo(0.6, 1);
    expect(x).toBeLessThanOrEqual(0.6);
  });
});
