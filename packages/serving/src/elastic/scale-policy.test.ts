import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideScale, noScaleMemory, type ScaleMemory, type ScaleParameters } from "./scale-policy.ts";

const parameters: ScaleParameters = {
  minimum: 1,
  maximum: 8,
  targetUtilisation: 0.7,
  queuedRowsPerWorker: 64,
  upPerStep: 2,
  downPerStep: 1,
  stabilisationMs: 30_000,
};

/** Workers that each compute 100 rows a second, under a load that changes with time; one step a second. */
function simulate(rowsPerSecond: (second: number) => number, seconds: number, own = parameters): number[] {
  let [workers, queued] = [own.minimum, 0];
  let memory: ScaleMemory = noScaleMemory;
  const history: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const arrived = queued + rowsPerSecond(second);
    const done = Math.min(arrived, workers * 100);
    queued = arrived - done;
    const utilisation = done / (workers * 100);
    const decided = decideScale(own, memory, {
      atMs: second * 1000,
      workers,
      utilisation,
      queuedRows: queued,
    });
    ({ workers, memory } = decided);
    history.push(workers);
  }
  return history;
}

/** Changes in the other direction than the change before. */
function reversals(history: readonly number[]): number {
  let [count, direction] = [0, 0];
  for (let i = 1; i < history.length; i++) {
    const step = Math.sign((history[i] ?? 0) - (history[i - 1] ?? 0));
    if (step === 0) continue;
    if (direction !== 0 && step !== direction) count++;
    direction = step;
  }
  return count;
}

/** From one rise of the load to the next, each period by itself: the turn at the rise opens it, and is none of its reversals. */
function reversalsPerPeriod(history: readonly number[], period: number, firstRise = 0): number[] {
  const periods = Math.floor((history.length - firstRise) / period);
  return Array.from({ length: periods }, (_, at) => {
    const from = firstRise + at * period;
    return reversals(history.slice(Math.max(0, from - 1), from + period));
  });
}

/** Two loads in turn, the higher one from `firstRise` on, each moved by a share of itself. */
function squareWave(period: number, firstRise: number, jitter: number) {
  return (second: number): number =>
    ((second - firstRise + period) % period < period / 2 ? 600 : 40) * (1 + jitter * Math.sin(second * 2.3));
}

describe("what counts as a reversal", () => {
  test.each([
    ["nothing changes", [2, 2, 2], 0],
    ["up alone, in steps", [1, 1, 3, 3, 5], 0],
    ["up and down", [1, 3, 3, 2, 1], 1],
    ["up, down and up again", [1, 3, 1, 1, 3], 2],
  ])("%s", (_, history, count) => {
    expect(reversals(history)).toBe(count);
  });

  test("the turn at a rise is none of its period's; one within a period is", () => {
    expect(reversalsPerPeriod([1, 4, 4, 2, 1, 4, 4, 2], 4, 1)).toEqual([1]);
    expect(reversalsPerPeriod([2, 4, 3, 1, 2, 4, 3, 1], 4)).toEqual([1, 1]);
    expect(reversalsPerPeriod([2, 4, 3, 4, 3, 2], 6)).toEqual([3]);
  });
});

describe("scaling", () => {
  test("a steady load settles at what it needs, and stays there", () => {
    const history = simulate(() => 350, 300);
    expect(new Set(history.slice(100))).toEqual(new Set([5]));
  });

  test.each(
    [20, 40, 60, 90, 120, 240, 900].flatMap((period) =>
      [0, 0.2].flatMap((jitter) =>
        [0, 0.25, 0.5, 0.8].map((start) => ({ period, jitter, firstRise: Math.round(start * period) })),
      ),
    ),
  )(
    "a square wave of $period s (jitter $jitter, first rise at $firstRise s) turns the scaling around at most once a period",
    ({ period, jitter, firstRise }) => {
      const periods = 6;
      const history = simulate(squareWave(period, firstRise, jitter), period * periods + firstRise);
      const counts = reversalsPerPeriod(history, period, firstRise);
      expect(counts).toHaveLength(periods);
      for (const count of counts) expect(count).toBeLessThanOrEqual(1);
      // One turn within each period and one at each rise but the first: no others hide at their borders.
      expect(reversals(history.slice(Math.max(0, firstRise - 1)))).toBeLessThanOrEqual(2 * periods - 1);
      // A wave that is shorter than the window moves nothing once it is known.
      if (period <= 40 && jitter === 0) expect(reversals(history.slice(period + firstRise))).toBe(0);
    },
  );

  test("without a window a load that jitters turns it around more often, and the count says so", () => {
    const history = simulate(squareWave(60, 0, 0.2), 360, { ...parameters, stabilisationMs: 0 });
    expect(Math.max(...reversalsPerPeriod(history, 60))).toBeGreaterThan(1);
  });

  test("a burst is met within seconds, and the queue is worked off", () => {
    const history = simulate((second) => (second < 10 ? 10 : 500), 40);
    expect(history.indexOf(7)).toBeGreaterThan(9);
    expect(history.indexOf(7)).toBeLessThan(16);
  });

  test("bounds and steps are kept, whatever is seen", () => {
    const seen = fc.record({
      gapMs: fc.integer({ min: 1, max: 60_000 }),
      utilisation: fc.double({ min: 0, max: 1, noNaN: true }),
      queuedRows: fc.integer({ min: 0, max: 1e6 }),
    });
    fc.assert(
      fc.property(fc.array(seen, { maxLength: 100 }), (steps) => {
        let [workers, atMs] = [1, 0];
        let memory: ScaleMemory = noScaleMemory;
        for (const { gapMs, ...observed } of steps) {
          atMs += gapMs;
          const before = workers;
          ({ workers, memory } = decideScale(parameters, memory, { atMs, workers, ...observed }));
          expect(workers).toBeGreaterThanOrEqual(parameters.minimum);
          expect(workers).toBeLessThanOrEqual(parameters.maximum);
          expect(workers - before).toBeLessThanOrEqual(parameters.upPerStep);
          expect(before - workers).toBeLessThanOrEqual(parameters.downPerStep);
        }
      }),
    );
  });
});
