import { isPortolanError } from "@portolan/kernel";
import { normalQuantile, seededRandom } from "@portolan/numerics";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fewestValues, originsOf, scoresOf, trialsOf } from "./backtest.ts";
import { conformalMargins, fewestErrors, pinballLoss } from "./conformal.ts";
import { type ForecastQuestion, forecastSeries } from "./forecast-series.ts";

/** Of each kind a series, made by chance. */
const made = {
  season: (random: () => number, length: number) =>
    Array.from({ length }, (_, step) => 50 + 10 * Math.sin((step * Math.PI) / 3) + 4 * normal(random)),
  trend: (random: () => number, length: number) =>
    Array.from(
      { length },
      (_, step) => 50 + 0.2 * step + 10 * Math.sin((step * Math.PI) / 3) + 4 * normal(random),
    ),
  dependent: (random: () => number, length: number) => {
    let state = 0;
    return Array.from({ length }, () => {
      state = 0.7 * state + 3 * normal(random);
      return Math.max(0, 60 + state);
    });
  },
  intermittent: (random: () => number, length: number) =>
    Array.from({ length }, () => (random() < 0.668 ? 0 : -8 * Math.log(1 - random()))),
};

function normal(random: () => number): number {
  return normalQuantile(Math.max(1e-12, random()));
}

const question = (values: readonly number[], more: Partial<ForecastQuestion> = {}): ForecastQuestion => ({
  values,
  season: 6,
  horizon: 12,
  level: 0.8,
  ...more,
});

describe("intervals", () => {
  test("of one error more than there are, as many lie within as was said: whichever of them comes last", () => {
    const errors = fc.uniqueArray(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), {
      minLength: 12,
      maxLength: 60,
    });
    fc.assert(
      fc.property(errors, fc.constantFrom(0.5, 0.8), (all, level) => {
        const within = all.filter((last, at) => {
          const others = all.filter((_, index) => index !== at).toSorted((a, b) => a - b);
          const margins = conformalMargins(others, level);
          return margins !== undefined && last >= margins.low && last <= margins.high;
        });
        expect(within.length / all.length).toBeGreaterThanOrEqual(level - 1e-12);
      }),
    );
  });

  test("are there with as many errors as are needed, and not with one fewer", () => {
    for (const [level, needed] of [
      [0.5, 3],
      [0.8, 9],
      [0.9, 19],
      [0.95, 39],
      [0.99, 199],
    ] as const) {
      const errors = Array.from({ length: needed }, (_, index) => index);
      expect(fewestErrors(level)).toBe(needed);
      expect(conformalMargins(errors, level)).toEqual({ low: 0, high: needed - 1 });
      expect(conformalMargins(errors.slice(1), level)).toBeUndefined();
    }
  });

  // Of 300 other series of each kind 79.8, 80.0, 79.7 and 88.3 % held. Steps of one series hold or fail together, so that the standard error of 80 series
  // is 1.4, 1.5, 2.3 and 1.2 points: four of them are allowed. Where many steps are 0 the low end is 0, and only the high one can be missed.
  test.each([
    ["season", 0.74, 0.86],
    ["trend", 0.74, 0.86],
    ["dependent", 0.705, 0.89],
    ["intermittent", 0.835, 0.931],
  ] as const)(
    "with a level of 0.8 hold what comes after 80 series: %s, between %d and %d of it",
    (kind, least, most) => {
      let within = 0;
      for (let seed = 0; seed < 80; seed++) {
        const series = made[kind](seededRandom(1000 + seed), 132);
        const { steps } = forecastSeries(question(series.slice(0, 120)));
        for (const [lead, value] of series.slice(120).entries()) {
          const { low = 0, high = 0 } = steps[lead] ?? {};
          within += Number(value >= low && value <= high);
        }
      }
      expect(within / (80 * 12)).toBeGreaterThan(least);
      expect(within / (80 * 12)).toBeLessThan(most);
    },
  );

  test("the loss of a quantile is least where the quantile is", () => {
    const values = Array.from({ length: 1000 }, (_, index) => index / 1000);
    const lossAt = (at: number): number =>
      values.reduce((sum, value) => sum + pinballLoss(value, at, 0.9), 0);
    expect(lossAt(0.9)).toBeLessThan(lossAt(0.85));
    expect(lossAt(0.9)).toBeLessThan(lossAt(0.95));
    expect([pinballLoss(3, 1, 0.9), pinballLoss(1, 3, 0.9)]).toEqual([1.8, 2 * (1 - 0.9)]);
  });
});

describe("a forecast", () => {
  test("of the series in another unit is the same in that unit", () => {
    const exponents = fc.integer({ min: -20, max: 20 });
    const kinds = fc.constantFrom(...Object.values(made));
    fc.assert(
      fc.property(kinds, fc.integer({ min: 0, max: 1000 }), exponents, (make, seed, exponent) => {
        const series = make(seededRandom(seed), 90);
        const factor = 2 ** exponent;
        const one = forecastSeries(question(series));
        const other = forecastSeries(question(series.map((value) => factor * value)));
        expect(other.method).toBe(one.method);
        expect(other.parameters).toEqual(one.parameters);
        expect(other.judged.baseline.mase).toBe(one.judged.baseline.mase);
        expect(other.steps).toEqual(
          one.steps.map(({ expected, low, high }) => ({
            expected: factor * expected,
            low: factor * low,
            high: factor * high,
          })),
        );
      }),
      { numRuns: 25 },
    );
  });

  test("follows a season and its growth better than the baseline, and the later origins say so", () => {
    const found = forecastSeries(question(made.trend(seededRandom(7), 300)));
    expect(found.beatsBaseline).toBe(true);
    expect(found.method).toMatch(/^holt-winters/);
    expect(found.judged.challenger?.mase).toBeLessThan(found.judged.baseline.mase ?? 0);
    expect(found.judged.challenger?.coverage).toBeGreaterThan(0.7);
    expect(found.tried[0]?.method).toBe(found.judged.challenger?.method);
    // The expected sum, reckoned from what made the series: seasons sum to nothing over two of them.
    expect(Math.abs(found.total.expected / (12 * (50 + 0.2 * 305.5)) - 1)).toBeLessThan(0.03);
  });

  test("is the baseline where nothing is better: of what comes again exactly, and of a walk without a season", () => {
    const again = forecastSeries(
      question(Array.from({ length: 90 }, (_, step) => [3, 9, 2, 7, 1, 5][step % 6] ?? 0)),
    );
    expect(again).toMatchObject({ beatsBaseline: false, method: "seasonal-naive" });
    expect(again.steps.slice(0, 6)).toEqual(
      [3, 9, 2, 7, 1, 5].map((value) => ({ expected: value, low: value, high: value })),
    );
    expect(again.judged.challenger).not.toBeNull();
    let kept = 0;
    for (let seed = 0; seed < 20; seed++) {
      const random = seededRandom(seed);
      let at = 1000;
      const walk = Array.from({ length: 200 }, () => (at += normal(random)));
      kept += Number(!forecastSeries(question(walk, { season: 1, horizon: 3 })).beatsBaseline);
    }
    // No method can beat the last value of a walk but by chance.
    expect(kept).toBeGreaterThanOrEqual(10);
  });

  test("of an intermittent series is chosen by its intervals, not by errors that a forecast of nothing makes small", () => {
    const found = forecastSeries(question(made.intermittent(seededRandom(3), 400)));
    expect(found).toMatchObject({ isIntermittent: true, measure: "pinball", beatsBaseline: true });
    for (const name of ["croston", "sba", "tsb"])
      expect(found.tried.some(({ method }) => method === name)).toBe(true);
    // A third of the steps has 8 on average.
    expect(found.total.expected / 12).toBeGreaterThan(1.8);
    expect(found.total.expected / 12).toBeLessThan(3.6);
    for (const { low } of found.steps) expect(low).toBe(0);
  });

  test("of nothing is nothing, without a scale to measure by", () => {
    const found = forecastSeries(question(Array<number>(60).fill(0)));
    expect(found).toMatchObject({ beatsBaseline: false, total: { expected: 0, low: 0, high: 0 } });
    expect(found.judged.baseline).toMatchObject({ mase: null, bias: null, coverage: 1 });
  });

  test("what comes after an origin changes nothing of what is forecast there", () => {
    const series = made.season(seededRandom(11), 200);
    const changed = series.map((value, at) => (at < 188 ? value : 3 * value));
    const [one, other] = [series, changed].map((values) => forecastSeries(question(values)));
    // Only the last origins see the last twelve come.
    expect(other?.tried.map(({ parameters }) => parameters)).toEqual(
      one?.tried.map(({ parameters }) => parameters),
    );
    expect(other?.tried.map(({ chosenBy }) => chosenBy)).toEqual(one?.tried.map(({ chosenBy }) => chosenBy));
    expect(other?.judged.baseline.mase).toBeGreaterThan(one?.judged.baseline.mase ?? 0);
  });

  test.each([
    ["too short", question([1, 2, 3]), "3 values are too few: a season of 6 and a horizon of 12 take 44"],
    ["one value too short", question(Array<number>(43).fill(1)), "43 values are too few"],
    ["longer than is looked at", question([1], { season: 10_000 }), "more than the 20000 values"],
    [
      "never enough errors",
      question(Array<number>(500).fill(1), { horizon: 1, season: 1, level: 0.99 }),
      "never the 199 errors",
    ],
  ])("is refused: %s", (_name, asked, why) => {
    try {
      forecastSeries(asked);
      expect.unreachable();
    } catch (error) {
      expect(isPortolanError(error) && [error.code, error.detail]).toEqual([
        "capacity.series_not_valid",
        expect.stringContaining(why),
      ]);
    }
  });

  test("the shortest that is taken has a forecast with intervals", () => {
    const asked = [
      question(made.season(seededRandom(1), 44)),
      question(made.season(seededRandom(1), 200), { season: 1, horizon: 1, level: 0.95 }),
      question(made.season(seededRandom(1), 4 + 2 + 13), { season: 2, horizon: 1 }),
    ];
    for (const one of asked) expect(forecastSeries(one).steps).toHaveLength(one.horizon);
  });
});

test("later origins begin when all that the first were tested on has come; none is without its horizon, nor all at one place of the season", () => {
  const lengths = fc.record({
    season: fc.integer({ min: 1, max: 50 }),
    horizon: fc.integer({ min: 1, max: 100 }),
    more: fc.integer({ min: 0, max: 5000 }),
  });
  fc.assert(
    fc.property(lengths, ({ season, horizon, more }) => {
      const length = fewestValues(season, horizon, 10) + more;
      const { all, choosing, judging } = originsOf(length, season, horizon, 10);
      expect([...choosing, ...judging]).toEqual(all);
      expect(all.length).toBeGreaterThanOrEqual(10);
      expect(all.length).toBeLessThanOrEqual(100);
      expect(all[0]).toBeGreaterThanOrEqual(2 * season);
      expect(all.at(-1)).toBe(length - horizon);
      // What the last of the first origins is tested on has come when the later ones begin.
      expect(judging[0]).toBeGreaterThanOrEqual((choosing.at(-1) ?? 0) + horizon);
      expect(all.toSorted((a, b) => a - b)).toEqual(all);
      if (season > 1) expect(new Set(all.map((origin) => origin % season)).size).toBeGreaterThan(1);
      expect(judging.length).toBeGreaterThanOrEqual(4);
    }),
  );
});

test("errors are scaled by what had changed from season to season before each origin", () => {
  const values = [1, 2, 4, 7, 11, 16, 22, 29];
  const grown = { parameters: {}, after: (seen: readonly number[]) => [(seen.at(-1) ?? 0) + 1] };
  const trials = trialsOf(grown, values, [4, 7], { season: 1, horizon: 1 }) ?? [];
  // Changes are 1, 2, 3, …, 7: before the fourth value 2 on average, before the seventh 3.5; errors are 3 and 6.
  expect(trials.map(({ scale }) => scale)).toEqual([2, 3.5]);
  const margins = { of: () => ({ low: -1, high: 4 }), total: undefined };
  expect(scoresOf(trials, margins, 0.8)).toEqual({
    meanAbsoluteError: 4.5,
    mase: (3 / 2 + 6 / 3.5) / 2,
    // The first ends are 7 and 12, and 11 came; the second 22 and 27, and 29 came.
    pinball: expect.closeTo((0.1 * 4 + 0.1 * 1 + (0.1 * 7 + 0.9 * 2)) / 4, 12),
    coverage: 0.5,
    bias: (8 + 23 - 40) / 40,
  });
});
