import { expect, test } from "vitest";
import { parseSweep, type SweepDeclaration, trialsOf } from "./declaration.ts";
import { bestOf, ranked, sweepText, type Trial } from "./trials.ts";

const grid: SweepDeclaration = {
  method: "grid",
  params: { depth: { values: [3, 6] }, kind: { values: ["a", "b", "c"] } },
  metric: "loss",
  direction: "minimize",
};
const random: SweepDeclaration = {
  method: "random",
  trials: 100,
  seed: 7,
  params: {
    rate: { from: 0.001, to: 1, scale: "log" },
    depth: { from: 2, to: 4, whole: true },
    kind: { values: ["a", "b"] },
  },
  metric: "auc",
  direction: "maximize",
};

test("a grid has every combination once", () => {
  const trials = trialsOf(grid);
  expect(trials).toHaveLength(6);
  expect(new Set(trials.map((trial) => JSON.stringify(trial))).size).toBe(6);
  expect(trials[0]).toEqual({ depth: 3, kind: "a" });
});

test("a random search draws within its ranges, the same from the same seed", () => {
  const trials = trialsOf(random);
  expect(trials).toEqual(trialsOf(random));
  expect(trials).not.toEqual(trialsOf({ ...random, seed: 8 }));
  const rates = trials.map(({ rate }) => Number(rate));
  expect(rates.every((rate) => rate >= 0.001 && rate < 1)).toBe(true);
  // On a logarithmic scale a third of them lies in each of three decades.
  expect(rates.filter((rate) => rate < 0.01).length).toBeGreaterThan(15);
  expect(new Set(trials.map(({ depth }) => depth))).toEqual(new Set([2, 3, 4]));
  expect(new Set(trials.map(({ kind }) => kind))).toEqual(new Set(["a", "b"]));
});

test.each([
  [{ ...grid, params: { depth: { from: 1, to: 2 } } }, "a grid lists the values of depth"],
  [{ ...random, trials: undefined }, "says how many trials"],
  [{ ...random, params: { rate: { from: 0, to: 1, scale: "log" } } }, "above 0"],
  [{ ...random, params: { rate: { from: 2, to: 1 } } }, "to a larger one"],
  [{ ...grid, direction: "down" }, "/direction"],
  [
    {
      ...grid,
      params: Object.fromEntries(["a", "b", "c"].map((name) => [name, { values: [1, 2, 3, 4, 5, 6, 7] }])),
    },
    "343 points",
  ],
])("%j is refused, with the reason", (value, reason) => {
  expect(() => parseSweep("sweep.json", JSON.parse(JSON.stringify(value)))).toThrow(reason);
});

test("the best trial is that of the declared direction among those that succeeded with a figure", () => {
  const trials: Trial[] = [
    { params: { depth: 1 }, run: "run_1", state: "succeeded", metric: 0.4 },
    { params: { depth: 2 }, run: "run_2", state: "failed" },
    { params: { depth: 3 }, run: "run_3", state: "succeeded", metric: 0.2 },
    { params: { depth: 4 } },
    { params: { depth: 5 }, run: "run_5", state: "succeeded" },
  ];
  expect(bestOf(trials, { direction: "minimize" })?.run).toBe("run_3");
  expect(bestOf(trials, { direction: "maximize" })?.run).toBe("run_1");
  expect(bestOf(trials.slice(3), { direction: "maximize" })).toBeUndefined();
  expect(ranked(trials, { direction: "minimize" }).map(({ params }) => params["depth"])).toEqual([
    3, 1, 2, 4, 5,
  ]);
  const text = sweepText(trials, grid);
  expect(text).toMatch(/^run_3 +succeeded +0\.2 +3 +-$/m);
  expect(text).toMatch(/^- +not started +- +4 +-$/m);
  expect(text).toContain("Best: run_3 with loss 0.2");
  expect(sweepText([], grid)).toContain("No trial has left loss yet.");
});
