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

/** Changes of direction. */
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

/** Direction changes from one rise of the load to the next, each period by itself: the turn at the rise is the load's own. */
function reversalsPerPeriod(history: readonly number[], period: number): number[] {
  const periods = Math.floor(history.length / period);
  return Array.from({ length: periods }, (_, at) =>
    reversals(history.slice(Math.max(0, at * period - 1), (at + 1) * period)),
  );
}

describe("scaling", () => {
  test("a steady load settles at what it needs, and stays there", () => {
    const history = simulate(() => 350, 300);
    expect(new Set(history.slice(100))).toEqual(new Set([5]));
  });

  test.each(
    [20, 40, 60, 90, 120, 240, 900].flatMap((period) => [
      { period, jitter: 0 },
      { period, jitter: 0.2 },
    ]),
  )(
    "a square wave of $period s (jitter $jitter) turns the scaling around at most once a period",
    ({ period, jitter }) => {
      const periods = 6;
      const load = (second: number): number =>
        (second % period < period / 2 ? 600 : 40) * (1 + jitter * Math.sin(second * 2.3));
      const history = simulate(load, period * periods);
      for (const count of reversalsPerPeriod(history, period)) expect(count).toBeLessThanOrEqual(1);
      // A wave that is shorter than the window moves nothing once it is known.
      if (period <= 40 && jitter === 0) expect(reversals(history.slice(period))).toBe(0);
    },
  );

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
