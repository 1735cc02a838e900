import { evaluatedMetrics, type ReleaseTerms } from "@portolan/charter/contract";
import {
  type ClassSet,
  classMetrics,
  classReliability,
  classSums,
  countProbabilities,
  seededRandom,
  squaredErrorOf,
} from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { judgeChallenger } from "../compare/challenger-gate.ts";
import { judgeGates } from "../gates.ts";
import type { ScoredClasses } from "../ports.ts";
import { answerTask } from "../statistics/statistics-task.ts";
import { multiclassMetrics } from "./class-metrics.ts";
import { compareClasses, rarestClass, weighsClasses } from "./compare-classes.ts";

const level = 0.025;
const heldOut = { shown: true, because: "later" };
const everything = ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier_score"] as const;

type Scored = ClassSet & Required<Pick<ScoredClasses, "probabilities">>;

/** Two models of the same rows of five classes, the last of which is rare: each sees so much of the truth. */
function pair(rows: number, ours: number, theirs: number, seed: number) {
  const random = seededRandom(seed);
  const labels = Uint16Array.from({ length: rows }, () => Math.min(4, Math.floor(random() ** 1.3 * 4.6)));
  const see = (signal: number): Scored => {
    const table = Array.from(labels, (label) => {
      const scores = Array.from({ length: 5 }, (_, one) => random() + (one === label ? signal : 0));
      const sum = scores.reduce((all, score) => all + score, 0);
      return scores.map((score) => score / sum);
    });
    const reliability = classReliability(5);
    for (const [row, scores] of table.entries()) countProbabilities(reliability, scores, labels[row] ?? 0);
    return {
      classCount: 5,
      labels,
      predicted: Uint16Array.from(table, (scores) => scores.indexOf(Math.max(...scores))),
      likelihoods: Float64Array.from(table, (scores, row) => scores[labels[row] ?? 0] ?? Number.NaN),
      squaredErrors: Float64Array.from(table, (scores, row) => squaredErrorOf(scores, labels[row] ?? 0)),
      probabilities: { confidences: Float64Array.from(table, (scores) => Math.max(...scores)), reliability },
    };
  };
  return [see(ours), see(theirs)] as const;
}

const terms = (
  accuracy: Partial<ReleaseTerms["accuracy"]>,
  more: Partial<ReleaseTerms> = {},
): ReleaseTerms => ({
  task: "multiclass_classification",
  accuracy: { metric: "accuracy", kind: "floor", value: 0.6, below: "alert", ...accuracy },
  ...more,
});

const measure = (set: ClassSet, metric = "accuracy", names?: readonly string[]) =>
  multiclassMetrics(set, { names, metric });

describe("a classifier of several classes on held-out rows", () => {
  test("has every metric that charters may bound, each with an interval that holds it, and each class its own figures", () => {
    const [set] = pair(500, 0.6, 0.6, 1);
    const names = ["walk", "bus", "car", "train", "plane"];
    const metrics = measure(set, "accuracy", names);
    const { values, intervals = {}, rows, positives, classes = [] } = metrics;
    expect(Object.keys(values).toSorted()).toEqual(
      [...evaluatedMetrics.multiclass_classification].toSorted(),
    );
    expect([rows, positives]).toEqual([500, undefined]);
    for (const [name, value] of Object.entries(values)) {
      expect(intervals[name]?.low, name).toBeLessThan(value);
      expect(intervals[name]?.high, name).toBeGreaterThan(value);
    }
    expect(intervals["accuracy"]?.method).toBe("wilson");
    expect(classes.map(({ name }) => name)).toEqual(names);
    expect(classes.reduce((sum, one) => sum + one.rows, 0)).toBe(500);
    const right = set.labels.filter((label, row) => label === 2 && set.predicted[row] === 2).length;
    expect(classes[2]?.recall?.value).toBeCloseTo(right / (classes[2]?.rows ?? 0), 12);
    expect(values["macro_f1"]).toBeCloseTo(classes.reduce((sum, { f1 = Number.NaN }) => sum + f1, 0) / 5, 12);
    expect(measure(set, "accuracy", names)).toEqual(metrics);
  });

  test("its interval of the macro F1 covers the population's value about as often as it says", () => {
    const truth = classMetrics.macro_f1(classSums(pair(40_000, 0.4, 0.4, 2)[0]), 5);
    let covered = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { intervals } = measure(pair(200, 0.4, 0.4, 100 + seed)[0]);
      const { low = 0, high = 0 } = intervals?.["macro_f1"] ?? {};
      covered += Number(low <= truth && truth <= high);
    }
    expect(covered).toBeGreaterThan(15);
  });

  test("the errors of calibration are small of probabilities that hold, and the class that is promised too much is the worst", () => {
    const random = seededRandom(8);
    const draw = (promise: number): Scored => {
      const reliability = classReliability(3);
      const rows = Array.from({ length: 6000 }, () => {
        const first = random() * 0.9;
        const truth = [first, (1 - first) * 0.6, (1 - first) * 0.4];
        const at = random();
        const label = at < first ? 0 : at < first + (1 - first) * 0.6 ? 1 : 2;
        // What is promised to the first class is taken from the last alone.
        const moved = promise * (truth[2] ?? 0);
        const scores = [first + moved, truth[1] ?? 0, (truth[2] ?? 0) - moved];
        countProbabilities(reliability, scores, label);
        return { label, scores };
      });
      const predicted = rows.map(({ scores }) => scores.indexOf(Math.max(...scores)));
      return {
        classCount: 3,
        labels: Uint16Array.from(rows, ({ label }) => label),
        predicted: Uint16Array.from(predicted),
        probabilities: {
          confidences: Float64Array.from(rows, ({ scores }) => Math.max(...scores)),
          reliability,
        },
      };
    };
    const names = ["bus", "car", "plane"];
    const held = measure(draw(0), "accuracy", names).classCalibration;
    expect(held?.topLabel.uniform.expectedCalibrationError).toBeLessThan(0.025);
    expect(held?.topLabel.quantile.expectedCalibrationError).toBeLessThan(0.025);
    expect(held?.classwise.expectedCalibrationError).toBeLessThan(0.025);
    const off = measure(draw(0.9), "accuracy", names).classCalibration;
    const [bus, car, plane] = off?.classwise.classes ?? [];
    expect(off?.topLabel.uniform.expectedCalibrationError).toBeGreaterThan(0.06);
    // By hand: the mean of 0.9 × 0.4 × (1 - first), first even in [0, 0.9], is 0.198; and no bin of theirs errs the other way.
    expect(plane?.expectedCalibrationError).toBeCloseTo(0.198, 1);
    expect(bus?.expectedCalibrationError).toBeCloseTo((bus?.meanProbability ?? 0) - (bus?.share ?? 0), 9);
    expect(car?.expectedCalibrationError).toBeLessThan(0.03);
    expect(["bus", "plane"]).toContain(off?.classwise.worst);
    const mean = [bus, car, plane].reduce((sum, one) => sum + (one?.expectedCalibrationError ?? 0), 0) / 3;
    expect(off?.classwise.expectedCalibrationError).toBeCloseTo(mean, 12);
  });

  test("a class of fewer than thirty rows has its error, is told as too small, and is never named as the worst", () => {
    const [set] = pair(150, 0.6, 0.6, 9);
    const classes = measure(set).classCalibration?.classwise.classes ?? [];
    const rare = classes.filter(({ rows }) => rows < 30);
    expect(rare.length).toBeGreaterThan(0);
    for (const one of classes) {
      expect(one.isJudged).toBe(one.rows >= 30);
      expect(one.bins === undefined).toBe(!one.isJudged);
    }
    expect(rare.map(({ name }) => name)).not.toContain(measure(set).classCalibration?.classwise.worst);
  });

  test("scores that are no probabilities have no log loss, and everything that is made of decisions", () => {
    const { likelihoods: _, squaredErrors: __, probabilities: ___, ...plain } = pair(200, 0.6, 0.6, 3)[0];
    expect(Object.keys(measure(plain).values)).toEqual(["accuracy", "balanced_accuracy", "macro_f1"]);
    expect(measure(plain).classCalibration).toBeUndefined();
    const bound = terms({ metric: "log_loss", kind: "ceiling", value: 2 });
    expect(judgeGates({ metrics: measure(plain), heldOut }, bound)[0]).toMatchObject({
      passed: false,
      observed: "log_loss was not measured",
    });
  });

  test("passes the gates of a charter that bounds it, by the value or the worse end, and fails beyond", () => {
    const [set] = pair(400, 0.8, 0.8, 4);
    const metrics = measure(set, "macro_f1");
    const value = metrics.values["macro_f1"] ?? 0;
    const verdicts = (accuracy: Partial<ReleaseTerms["accuracy"]>) =>
      judgeGates({ metrics, heldOut }, terms({ metric: "macro_f1", ...accuracy })).map(
        ({ passed }) => passed,
      );
    expect(verdicts({ value: value - 0.001 })).toEqual([true, true, true]);
    expect(verdicts({ value: value - 0.001, heldBy: "interval" })).toEqual([false, true, true]);
    expect(verdicts({ value: value - 0.2, heldBy: "interval" })).toEqual([true, true, true]);
    expect(verdicts({ value: value + 0.001 })).toEqual([false, true, true]);
  });

  test("without a column for it the naive answer is the most frequent class; a model that knows no more fails", () => {
    const [set] = pair(400, 0, 0, 5);
    const constant = { ...set, predicted: new Uint16Array(400) };
    const gateOf = (of: ClassSet) =>
      judgeGates({ metrics: measure(of), heldOut }, terms({})).find(
        ({ gate }) => gate === "better-than-baseline",
      );
    expect(measure(set).baseline).toMatchObject({ column: "(most frequent class)", metric: "accuracy" });
    expect(measure(constant).baseline?.value).toBe(measure(constant).values["accuracy"]);
    expect(gateOf(constant)?.passed).toBe(false);
    expect(gateOf(pair(400, 0.6, 0.6, 5)[0])?.passed).toBe(true);
    // A class is no probability: under a bound on the log loss the share that is right is held.
    expect(measure(set, "log_loss").baseline?.metric).toBe("accuracy");
  });

  test("a column of the set is the naive answer where it names classes; where it names none on a row, the most frequent one is", () => {
    const [set] = pair(300, 0.9, 0.9, 6);
    const scores = Float64Array.from(set.labels, (label, row) => (row % 3 === 0 ? Number.NaN : label));
    const held = multiclassMetrics(set, { names: undefined, metric: "accuracy" }, { column: "last", scores });
    const most = [...set.labels].filter((label, row) => row % 3 !== 0 || label === 0).length;
    expect(held.baseline).toMatchObject({ column: "last", metric: "accuracy" });
    expect(held.baseline?.value).toBeCloseTo(most / 300, 12);
    const fractions = { column: "price", scores: Float64Array.from(set.labels, () => 17.5) };
    expect(() => multiclassMetrics(set, { names: undefined, metric: "accuracy" }, fractions)).toThrow(
      "price holds no number of a class",
    );
  });

  test.each([
    [
      "another number of names",
      { names: ["a", "b", "c"] },
      "answers 5 classes, and model.classes of the charter names 3",
    ],
    ["rows of one class", { labels: new Uint16Array(40) }, "all of one class"],
    ["more classes than are measured", { classCount: 101 }, "at most 100"],
  ])("%s are refused", (_, { names, ...other }: { names?: string[] } & Partial<ClassSet>, detail) => {
    const scored = { ...pair(40, 0.5, 0.5, 7)[0], ...other };
    const asked = { metric: "accuracy", sliced: [], attributes: [], ...(names ? { names } : {}) };
    expect(answerTask({ kind: "measure_classes", scored, ...asked })).toMatchObject({
      kind: "refused",
      detail: expect.stringContaining(detail) as string,
    });
  });
});

describe("slices of several classes (G10)", () => {
  const [good, bad] = pair(400, 0.9, 0.1, 8);
  /** Bad in the south. */
  const set: ClassSet = {
    ...good,
    predicted: good.predicted.map((said, row) => (row < 250 ? said : (bad.predicted[row] ?? 0))),
  };
  const region = {
    kind: "texts" as const,
    column: "region",
    texts: ["north", "south", "islands"],
    codes: Uint32Array.from(set.labels, (_, row) => (row < 20 ? 2 : row < 250 ? 0 : 1)),
  };
  const slices = { columns: ["region"], bins: 4, support: { positives: 30, negatives: 30 }, maximumGap: 0.1 };

  test("each with enough rows has its metrics, the worst decides, and few rows are counted alone", () => {
    const scored = { ...set, slices: [region] };
    const asked = { metric: "accuracy", sliced: ["region"], slices, attributes: [] };
    const answer = answerTask({ kind: "measure_classes", scored, ...asked });
    if (answer.kind !== "measured") throw new Error(JSON.stringify(answer));
    const { metrics } = answer;
    expect(
      metrics.sliced?.columns[0]?.slices.map(({ value, rows, isJudged }) => [value, rows, isJudged]),
    ).toEqual([
      ["north", 230, true],
      ["south", 150, true],
      ["islands", 20, false],
    ]);
    const part = (from: Uint16Array) => from.slice(250);
    const south = { classCount: 5, labels: part(set.labels), predicted: part(set.predicted) };
    expect(metrics.sliced?.columns[0]?.slices[1]?.values?.["macro_f1"]).toBe(
      measure(south).values["macro_f1"],
    );
    const gateOf = (of: ReleaseTerms["slices"]) =>
      judgeGates({ metrics, heldOut }, terms({}, of ? { slices: of } : {})).find(
        ({ gate }) => gate === "slices",
      );
    expect(gateOf(slices)).toMatchObject({
      passed: false,
      observed: expect.stringContaining("where region is south (150 rows)") as string,
    });
    expect(gateOf({ ...slices, maximumGap: 0.9 })?.passed).toBe(true);
  });
});

describe("a classifier of several classes beside the champion (G12)", () => {
  const rule = { metrics: [...everything], margins: {}, level };

  test("one that is much better is shown to be in every metric; the other way round nothing is", () => {
    const [challenger, champion] = pair(700, 0.9, 0.3, 9);
    const found = compareClasses(challenger, champion, rule);
    expect(found.filter(({ isShown }) => !isShown)).toEqual([]);
    for (const { advantage, metric } of found) expect(advantage.interval.low, metric).toBeGreaterThan(0);
    const back = compareClasses(champion, challenger, rule);
    expect(back.filter(({ isShown }) => isShown)).toEqual([]);
    found.forEach(({ advantage }, at) => expect(back[at]?.advantage.value).toBeCloseTo(-advantage.value, 12));
  });

  test("the share that is right is told by McNemar's test: 9 gained and 1 lost are scipy's binomtest(9, 10, alternative='greater')", () => {
    const labels = Uint16Array.from({ length: 40 }, (_, row) => row % 3);
    const said = (wrong: readonly number[]) => ({
      classCount: 3,
      labels,
      predicted: labels.map((label, row) => (wrong.includes(row) ? (label + 1) % 3 : label)),
    });
    const [ours, theirs] = [said([30]), said([0, 1, 2, 3, 4, 5, 6, 7, 8])];
    const [found] = compareClasses(ours, theirs, { metrics: ["accuracy"], margins: {}, level });
    expect(found).toMatchObject({ test: "mcnemar_exact", challenger: 39 / 40, champion: 31 / 40 });
    expect(found?.p).toBeCloseTo(0.0107421875, 12);
    const margins = { accuracy: 0.05 };
    expect(compareClasses(theirs, ours, { metrics: ["accuracy"], margins, level })[0]).toMatchObject({
      test: "tango",
      isShown: false,
    });
    expect(
      compareClasses(ours, ours, { metrics: ["accuracy"], margins: { accuracy: 0.1 }, level })[0],
    ).toMatchObject({ question: "not_worse", isShown: true });
  });

  test("two that are equally good are told apart about as rarely as the level says", () => {
    let shown = 0;
    for (let seed = 0; seed < 40; seed++) {
      const [challenger, champion] = pair(150, 0.4, 0.4, 1000 + seed);
      const [found] = compareClasses(challenger, champion, { ...rule, metrics: ["accuracy"] });
      if (found?.isShown) shown++;
    }
    // 2.5 % of 40 are 1; four standard errors are 4.
    expect(shown).toBeLessThan(5);
  });

  test("a rule that weighs classes alike needs thirty rows of the rarest; one that counts rows does not", () => {
    const [challenger, champion] = pair(200, 0.9, 0.1, 10);
    const rarest = rarestClass(challenger.labels);
    expect(rarest).toBeLessThan(30);
    expect([
      weighsClasses({ metrics: ["macro_f1"] }),
      weighsClasses({ metrics: ["accuracy", "log_loss"] }),
    ]).toEqual([true, false]);
    const metrics = ["macro_f1" as const];
    const values = compareClasses(challenger, champion, { ...rule, metrics });
    const evidence = { heldOut, rule: { ...rule, metrics }, values, isBetter: true, rows: 200, setsTried: 1 };
    expect(judgeChallenger([{ ...evidence, rarestClass: rarest }], { metrics, margins: {} })).toMatchObject({
      passed: false,
      observed: `${rarest} rows of the rarest class: fewer than 30, and the rule weighs classes alike`,
    });
    expect(judgeChallenger([{ ...evidence, rarestClass: 30 }], { metrics, margins: {} }).passed).toBe(true);
  });

  test("other rows, other classes, metrics of two classes, and log losses of what is no probability are refused", () => {
    const [challenger] = pair(100, 0.5, 0.5, 11);
    const [other] = pair(100, 0.5, 0.5, 12);
    expect(() => compareClasses(challenger, other, rule)).toThrow("same rows");
    expect(() => compareClasses(challenger, { ...challenger, classCount: 6 }, rule)).toThrow("other classes");
    expect(() => compareClasses(challenger, challenger, { ...rule, metrics: ["f1"] })).toThrow("f1");
    const { likelihoods: _, ...plain } = challenger;
    expect(() => compareClasses(challenger, plain, rule)).toThrow("probabilities alone");
  });
});
