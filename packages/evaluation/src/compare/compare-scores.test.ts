import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { judgeChallenger } from "./challenger-gate.ts";
import { compareScores, correctedForSets } from "./compare-scores.ts";

const level = 0.025;
const everything = [
  "roc_auc",
  "pr_auc",
  "accuracy",
  "balanced_accuracy",
  "precision",
  "recall",
  "f1",
  "brier_score",
  "log_loss",
] as const;

/** Two models of the same rows: each sees so much of the truth. */
function pair(rows: number, ours: number, theirs: number, seed: number) {
  const random = seededRandom(seed);
  const labels = Uint8Array.from({ length: rows }, () => Number(random() < 0.4));
  const common = Float64Array.from(labels, () => random());
  const see = (signal: number) =>
    common.map((noise, row) => {
      const own = 0.6 * noise + 0.4 * random();
      return Math.min(0.99, Math.max(0.01, signal * (labels[row] ?? 0) + (1 - signal) * own));
    });
  return [
    { labels, scores: see(ours) },
    { labels, scores: see(theirs) },
  ] as const;
}

describe("a challenger beside the champion (G12)", () => {
  test("one that is much better is shown to be, in every metric", () => {
    const [challenger, champion] = pair(700, 0.5, 0.2, 1);
    const found = compareScores(challenger, champion, { metrics: [...everything], margins: {}, level });
    expect(found.filter(({ isShown }) => !isShown)).toEqual([]);
    for (const { metric, advantage } of found) expect(advantage.interval.low, metric).toBeGreaterThan(0);
    expect(found.find(({ metric }) => metric === "log_loss")).toMatchObject({
      test: "bootstrap",
      question: "better",
    });
  });

  test("the same the other way round shows nothing, and its advantages are the negative ones", () => {
    const [challenger, champion] = pair(300, 0.35, 0.2, 2);
    const rule = { metrics: [...everything], margins: {}, level };
    const [there, back] = [
      compareScores(challenger, champion, rule),
      compareScores(champion, challenger, rule),
    ];
    expect(back.filter(({ isShown }) => isShown)).toEqual([]);
    there.forEach(({ advantage, metric }, at) =>
      expect(back[at]?.advantage.value, metric).toBeCloseTo(-advantage.value, 12),
    );
  });

  test("a model is not better than itself, and not worse by any margin that its rows can show", () => {
    const [model] = pair(600, 0.3, 0.3, 3);
    const better = compareScores(model, model, { metrics: [...everything], margins: {}, level });
    expect(better.map(({ p }) => p)).toEqual(everything.map(() => 1));
    const margins = Object.fromEntries(everything.map((metric) => [metric, 0.05]));
    const notWorse = compareScores(model, model, { metrics: [...everything], margins, level });
    expect(notWorse.filter(({ isShown }) => !isShown)).toEqual([]);
  });

  test("one that is a little worse is not worse by more than a margin, and by less than it is", () => {
    const [challenger, champion] = pair(1000, 0.29, 0.3, 4);
    const isShown = (margin: number) =>
      compareScores(challenger, champion, { metrics: ["accuracy"], margins: { accuracy: margin }, level })[0]
        ?.isShown;
    expect(isShown(0.1)).toBe(true);
    expect(isShown(0.0001)).toBe(false);
  });

  test("as many metrics as there are raise each p: one advantage among many is easily had by chance", () => {
    const [challenger, champion] = pair(300, 0.31, 0.27, 5);
    const alone = compareScores(challenger, champion, { metrics: ["roc_auc"], margins: {}, level })[0];
    const among = compareScores(challenger, champion, { metrics: [...everything], margins: {}, level })[0];
    expect(among?.p).toBe(alone?.p);
    expect(among?.adjustedP).toBeGreaterThan(alone?.adjustedP ?? 1);
  });

  test("two models that are equally good are told apart about as rarely as the level says", () => {
    let shown = 0;
    for (let seed = 0; seed < 200; seed++) {
      const [challenger, champion] = pair(250, 0.3, 0.3, 1000 + seed);
      const [found] = compareScores(challenger, champion, { metrics: ["roc_auc"], margins: {}, level });
      if (found?.isShown) shown++;
    }
    // 2.5 % of 200 are 5; four standard errors are 9.
    expect(shown).toBeLessThan(14);
  });

  test("scores that are no numbers, and one class only, are refused by whatever metric", () => {
    const [challenger, champion] = pair(100, 0.3, 0.3, 9);
    const rule = { metrics: ["accuracy" as const], margins: {}, level };
    const broken = { ...challenger, scores: challenger.scores.with(3, Number.NaN) };
    expect(() => compareScores(broken, champion, rule)).toThrow(/not a finite number/);
    const infinite = { ...challenger, scores: challenger.scores.with(3, Number.POSITIVE_INFINITY) };
    expect(() => compareScores(infinite, champion, rule)).toThrow(/not a finite number/);
    const one = { ...challenger, labels: new Uint8Array(100) };
    expect(() => compareScores(one, { ...champion, labels: new Uint8Array(100) }, rule)).toThrow(
      /each class/,
    );
  });

  test("other rows are refused", () => {
    const [challenger] = pair(100, 0.3, 0.3, 6);
    const [other] = pair(100, 0.3, 0.3, 7);
    expect(() => compareScores(challenger, other, { metrics: ["roc_auc"], margins: {}, level })).toThrow(
      /same rows/,
    );
    expect(() => compareScores(challenger, other, { metrics: ["f1"], margins: {}, level })).toThrow(
      /same rows/,
    );
  });
});

describe("the gate", () => {
  const terms = { metrics: ["roc_auc", "accuracy"], margins: { accuracy: 0.01 } } as const;
  const rule = { metrics: ["roc_auc" as const, "accuracy" as const], margins: { accuracy: 0.01 }, level };
  const [challenger, champion] = pair(500, 0.45, 0.2, 8);
  const values = compareScores(challenger, champion, rule);
  const found = {
    heldOut: { shown: true, because: "later" },
    rule,
    values,
    isBetter: true,
    rows: 500,
    positives: 200,
    setsTried: 1,
  };

  test("a handful of rows shows nothing, however far the scores are apart", () => {
    // Without a floor DeLong's variance of such rows is 0, and p with it.
    const labels = Uint8Array.of(1, 1, 0, 0);
    const [right, wrong] = [Float64Array.of(0.9, 0.8, 0.2, 0.1), Float64Array.of(0.1, 0.2, 0.8, 0.9)];
    const few = compareScores(
      { labels, scores: right },
      { labels, scores: wrong },
      {
        metrics: ["roc_auc"],
        margins: {},
        level,
      },
    );
    expect(few[0]?.p).toBe(0);
    expect(judgeChallenger([{ ...found, rows: 4, positives: 2 }], terms)).toMatchObject({
      passed: false,
      observed: "2 positive and 2 negative rows: fewer than 30 of each",
    });
    expect(judgeChallenger([{ ...found, rows: 229, positives: 200 }], terms).passed).toBe(false);
    expect(judgeChallenger([{ ...found, rows: 230, positives: 200 }], terms).passed).toBe(true);
  });

  test("each set of rows that was tried raises each p: one among many is easily found that pleases", () => {
    const [near, far] = pair(700, 0.4, 0.2, 1);
    const [once] = compareScores(near, far, { metrics: ["roc_auc"], margins: {}, level });
    const value = { ...(once ?? expect.fail("nothing compared")), adjustedP: 0.01, isShown: true };
    expect(correctedForSets([value], 1, level)).toEqual([value]);
    expect(correctedForSets([value], 2, level)).toMatchObject([{ adjustedP: 0.02, isShown: true }]);
    expect(correctedForSets([value], 3, level)).toMatchObject([{ adjustedP: 0.03, isShown: false }]);
    expect(correctedForSets([value], 1000, level)).toMatchObject([{ adjustedP: 1 }]);
    expect(judgeChallenger([{ ...found, setsTried: 3 }], terms).observed).toContain("on 3 sets of rows");
  });

  test("a comparison under the charter's rule that shows what is asked passes, whatever the order of its metrics", () => {
    expect(judgeChallenger([found], terms)).toMatchObject({ gate: "better-than-champion", passed: true });
    const turned = { ...terms, metrics: ["accuracy", "roc_auc"] } as const;
    expect(judgeChallenger([found], turned).passed).toBe(true);
  });

  test("two that were never compared fail; of several comparisons under the charter's rule the newest counts, whatever else was asked since", () => {
    expect(judgeChallenger([], terms).observed).toContain("never compared");
    const other = { ...found, rule: { ...rule, metrics: ["accuracy" as const] }, isBetter: false };
    expect(judgeChallenger([other, found], terms).passed).toBe(true);
    const newer = { ...found, isBetter: false };
    expect(judgeChallenger([other, newer, found], terms).passed).toBe(false);
  });

  test.each([
    ["one that shows too little", { ...found, isBetter: false }, "roc_auc +"],
    [
      "one on rows that are not shown to be held out",
      { ...found, heldOut: { shown: false, because: "trained elsewhere" } },
      "trained elsewhere",
    ],
    ["one of fewer metrics", { ...found, rule: { ...rule, metrics: ["accuracy" as const] } }, "other rules"],
    ["one with a wider margin", { ...found, rule: { ...rule, margins: { accuracy: 0.1 } } }, "other rules"],
  ])("%s fails, and says why", (_, evidence, observed) => {
    expect(judgeChallenger([evidence], terms)).toMatchObject({
      passed: false,
      observed: expect.stringContaining(observed) as string,
    });
  });
});
