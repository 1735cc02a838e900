import { evaluatedMetrics, type ReleaseTerms } from "@portolan/charter/contract";
import { type QuantitySet, seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { judgeChallenger } from "../compare/challenger-gate.ts";
import type { RowMetrics } from "../contract.ts";
import { judgeGates } from "../gates.ts";
import { answerTask } from "../statistics/statistics-task.ts";
import { compareQuantities } from "./compare-quantities.ts";
import { quantityMetrics } from "./quantity-metrics.ts";

const level = 0.025;
const heldOut = { shown: true, because: "later" };

/** Two models of the same rows, each wrong by so much; the second half of the rows is `harder` times as hard. */
function pair(rows: number, ours: number, theirs: number, seed: number, harder = 1) {
  const random = seededRandom(seed);
  const noise = () => (random() + random() + random() - 1.5) * 2;
  const labels = Float64Array.from({ length: rows }, () => 100 + 20 * noise());
  const see = (wrong: number) =>
    labels.map((label, row) => label + wrong * noise() * (2 * row < rows ? 1 : harder));
  return [
    { labels, scores: see(ours) },
    { labels, scores: see(theirs) },
  ] as const;
}

function measured(task: Parameters<typeof answerTask>[0]): RowMetrics {
  const answer = answerTask(task);
  if (answer.kind !== "measured") throw new Error(JSON.stringify(answer));
  return answer.metrics;
}

const terms = (
  accuracy: Partial<ReleaseTerms["accuracy"]>,
  more: Partial<ReleaseTerms> = {},
): ReleaseTerms => ({
  task: "regression",
  accuracy: { metric: "rmse", kind: "ceiling", value: 6, below: "alert", ...accuracy },
  ...more,
});

const naive = (set: QuantitySet) => new Float64Array(set.scores.length).fill(100);

describe("a regression on held-out rows", () => {
  test("has every error that charters may bound, each with an interval that holds it", () => {
    const [set] = pair(500, 5, 5, 1);
    const { values, intervals = {}, rows, positives } = quantityMetrics(set, "rmse");
    expect(Object.keys(values).toSorted()).toEqual([...evaluatedMetrics.regression].toSorted());
    expect([rows, positives]).toEqual([500, undefined]);
    for (const [name, value] of Object.entries(values)) {
      expect(intervals[name]?.low, name).toBeLessThan(value);
      expect(intervals[name]?.high, name).toBeGreaterThan(value);
    }
    expect(quantityMetrics(set, "rmse")).toEqual(quantityMetrics(set, "rmse"));
  });

  test("its interval covers the true error about as often as it says", () => {
    // Each error is 5 times the sum of three uniforms, less their mean, doubled: a variance of 25 × 4 × 3 / 12.
    let covered = 0;
    for (let seed = 0; seed < 50; seed++) {
      const { intervals } = quantityMetrics(pair(80, 5, 5, 100 + seed)[0], "rmse");
      const { low = 0, high = 0 } = intervals?.["rmse"] ?? {};
      covered += Number(low <= 5 && high >= 5);
    }
    expect(covered).toBeGreaterThan(41);
  });

  test("passes the gates of a charter that bounds an error: by the value, or the worse end of its interval", () => {
    const [set] = pair(400, 5, 5, 2);
    const metrics = quantityMetrics(set, "rmse", { column: "last_month", scores: naive(set) });
    const verdicts = (of: ReleaseTerms) =>
      judgeGates({ metrics, heldOut }, of).map(({ gate, passed }) => [gate, passed]);
    const passed = [
      ["accuracy", true],
      ["held-out", true],
      ["better-than-baseline", true],
    ];
    expect(verdicts(terms({}))).toEqual(passed);
    const value = metrics.values["rmse"] ?? 0;
    expect(verdicts(terms({ value: value + 0.01 }))).toEqual(passed);
    expect(verdicts(terms({ value: value + 0.01, heldBy: "interval" }))[0]).toEqual(["accuracy", false]);
    expect(verdicts(terms({ value: value - 0.01 }))[0]).toEqual(["accuracy", false]);
    expect(verdicts(terms({ metric: "r2", kind: "floor", value: 0.5, heldBy: "interval" }))).toEqual(passed);
    expect(verdicts(terms({ metric: "roc_auc", kind: "floor", value: 0.5 }))[0]).toEqual(["accuracy", false]);
  });

  test("that is no better than the naive baseline is told so, with the error's name", () => {
    const [set] = pair(300, 20, 20, 3);
    const metrics = quantityMetrics(set, "mae", { column: "last_month", scores: naive(set) });
    const gate = judgeGates({ metrics, heldOut }, terms({})).find(
      (one) => one.gate === "better-than-baseline",
    );
    expect(gate).toMatchObject({
      passed: false,
      required: "mae better than the baseline's with 95 % confidence",
    });
    expect(metrics.baseline).toMatchObject({ column: "last_month", metric: "mae" });
    const none = judgeGates({ metrics: quantityMetrics(set, "mae"), heldOut }, terms({}));
    expect(none.at(-1)).toMatchObject({ passed: false, observed: "the training set names no baseline" });
  });

  test.each([
    ["a label that is no number", [1, 2, Number.NaN], [1, 2, 3]],
    ["an answer that is infinite", [1, 2, 3], [1, 2, Number.POSITIVE_INFINITY]],
    ["one row", [1], [1]],
  ])("%s is refused", (_, labels, scores) => {
    const scored = { labels: Float64Array.from(labels), scores: Float64Array.from(scores) };
    const task = { kind: "measure_quantities" as const, scored, metric: "rmse", sliced: [], attributes: [] };
    expect(answerTask(task)).toMatchObject({ kind: "refused" });
  });
});

describe("slices of a regression (G10)", () => {
  const [set] = pair(400, 4, 4, 4, 3);
  const half = {
    kind: "texts" as const,
    column: "region",
    texts: ["north", "south", "islands"],
    codes: Uint32Array.from(set.labels, (_, row) => (row < 20 ? 2 : row < 200 ? 0 : 1)),
  };
  const asked = { columns: ["region"], bins: 4, support: { positives: 30, negatives: 30 }, maximumGap: 1 };
  const task = (slices: typeof asked) => ({
    kind: "measure_quantities" as const,
    scored: { ...set, slices: [half] },
    metric: "rmse",
    sliced: ["region"],
    slices,
    attributes: [{ name: "region", expression: "place" }],
  });
  const gateOf = (metrics: RowMetrics, slices: ReleaseTerms["slices"]) =>
    judgeGates({ metrics, heldOut }, terms({}, slices ? { slices } : {})).find(
      ({ gate }) => gate === "slices",
    );

  test("each with enough rows has its errors, the worst decides, and few rows are counted alone", () => {
    const metrics = measured(task(asked));
    const [column] = metrics.sliced?.columns ?? [];
    expect(column?.slices.map(({ value, rows, isJudged }) => [value, rows, isJudged])).toEqual([
      ["north", 180, true],
      ["south", 200, true],
      ["islands", 20, false],
    ]);
    const south = { labels: set.labels.slice(200), scores: set.scores.slice(200) };
    expect(column?.slices[1]?.values).toEqual(quantityMetrics(south, "rmse").values);
    const gate = gateOf(metrics, asked);
    expect(gate).toMatchObject({
      passed: false,
      observed: expect.stringContaining("where region (place) is south (200 rows)") as string,
    });
    expect(gateOf(metrics, { ...asked, maximumGap: 50 })?.passed).toBe(true);
  });

  test("that were made with another floor than the charter's say nothing", () => {
    const support = { ...asked.support, rows: 190 };
    const metrics = measured(task(asked));
    expect(gateOf(metrics, { ...asked, support })?.observed).toContain("another support");
    const again = measured(task({ ...asked, support }));
    expect(again.sliced?.columns[0]?.slices.map(({ isJudged }) => isJudged)).toEqual([false, true, false]);
  });
});

describe("a regression beside the champion (G12)", () => {
  const metrics = ["rmse", "mae", "r2"] as const;
  const rule = { metrics: [...metrics], margins: {}, level };

  test("one that is much better is shown to be in every error; the other way round nothing is", () => {
    const [challenger, champion] = pair(300, 3, 8, 5);
    const found = compareQuantities(challenger, champion, rule);
    expect(found.filter(({ isShown }) => !isShown)).toEqual([]);
    for (const { advantage, metric } of found) expect(advantage.interval.low, metric).toBeGreaterThan(0);
    const back = compareQuantities(champion, challenger, rule);
    expect(back.filter(({ isShown }) => isShown)).toEqual([]);
    found.forEach(({ advantage }, at) => expect(back[at]?.advantage.value).toBeCloseTo(-advantage.value, 9));
  });

  test("one that is as good is not worse by a margin in the error's own unit", () => {
    const [challenger, champion] = pair(400, 5, 5, 6);
    const margins = { rmse: 2.5, mae: 2, r2: 0.2 };
    const values = compareQuantities(challenger, champion, { ...rule, margins });
    expect(values.filter(({ isShown }) => !isShown)).toEqual([]);
    const evidence = { heldOut, rule: { ...rule, margins }, values, isBetter: true, rows: 400, setsTried: 1 };
    expect(judgeChallenger([evidence], { metrics, margins }).passed).toBe(true);
    expect(judgeChallenger([{ ...evidence, rows: 29 }], { metrics, margins })).toMatchObject({
      passed: false,
      observed: "29 rows: fewer than 30",
    });
  });

  test("two that are equally good are told apart about as rarely as the level says", () => {
    let shown = 0;
    for (let seed = 0; seed < 30; seed++) {
      const [challenger, champion] = pair(60, 5, 5, 1000 + seed);
      const [found] = compareQuantities(challenger, champion, { ...rule, metrics: ["rmse"] });
      if (found?.isShown) shown++;
    }
    // 2.5 % of 30 are 0.75; four standard errors are 3.4.
    expect(shown).toBeLessThan(5);
  });

  test("other rows, and metrics of decisions, are refused", () => {
    const [challenger] = pair(100, 5, 5, 7);
    const [other] = pair(100, 5, 5, 8);
    expect(() => compareQuantities(challenger, other, rule)).toThrow("same rows");
    expect(() => compareQuantities(challenger, challenger, { ...rule, metrics: ["f1"] })).toThrow("f1");
  });
});
