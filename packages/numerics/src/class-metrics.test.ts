import { expect, test } from "vitest";
import { bootstrapSparseSums, bootstrapSums } from "./bootstrap.ts";
import { addClassRow, type ClassSet, classMetrics, classSumCount, classSums } from "./class-metrics.ts";

/** Sixty rows of four classes by a congruential generator, which Python repeats exactly. */
function planted(): ClassSet & { readonly likelihoods: Float64Array } {
  let state = 7;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 2 ** 31;
  };
  const rows = Array.from({ length: 60 }, () => {
    const label = Math.floor(next() ** 2 * 4);
    const scores = Array.from({ length: 4 }, (_, one) => next() + (one === label ? 0.6 : 0));
    const sum = scores.reduce((all, score) => all + score, 0);
    return { label, scores: scores.map((score) => score / sum) };
  });
  return {
    classCount: 4,
    labels: Uint16Array.from(rows, ({ label }) => label),
    predicted: Uint16Array.from(rows, ({ scores }) => scores.indexOf(Math.max(...scores))),
    likelihoods: Float64Array.from(rows, ({ label, scores }) => scores[label] ?? Number.NaN),
  };
}

function of(set: ClassSet, name: keyof typeof classMetrics): number {
  return classMetrics[name](classSums(set), set.classCount);
}

// scikit-learn 1.7.2: accuracy_score, balanced_accuracy_score, f1_score(average="macro"), log_loss(labels=range(4)) of the same rows.
test("metrics of several classes equal scikit-learn's", () => {
  const set = planted();
  expect(of(set, "accuracy")).toBeCloseTo(0.85, 12);
  expect(of(set, "balanced_accuracy")).toBeCloseTo(0.8438858301941466, 12);
  expect(of(set, "macro_f1")).toBeCloseTo(0.8166125541125542, 12);
  expect(of(set, "log_loss")).toBeCloseTo(0.820379239808846, 12);
});

test("a class that no row is of has no part in the balanced accuracy, and in the F1 only where it was said, as in scikit-learn", () => {
  const { labels, predicted } = planted();
  const kept = [...labels.keys()].filter((row) => (labels[row] ?? 0) < 2 && (predicted[row] ?? 0) < 3);
  const part = (from: Uint16Array) => Uint16Array.from(kept, (row) => from[row] ?? 0);
  const set = { classCount: 4, labels: part(labels), predicted: part(predicted) };
  const said = new Set(set.predicted);
  // By hand: two classes that rows are of, and the F1 of a third is 0.
  const recalls = [0, 1].map((one) => {
    const rows = [...set.labels.keys()].filter((row) => set.labels[row] === one);
    return rows.filter((row) => set.predicted[row] === one).length / rows.length;
  });
  expect(of(set, "balanced_accuracy")).toBeCloseTo(((recalls[0] ?? 0) + (recalls[1] ?? 0)) / 2, 12);
  expect(said.has(2)).toBe(true);
  const two = { ...set, predicted: set.predicted.map((one) => (one === 2 ? 0 : one)) };
  expect(of(set, "macro_f1")).toBeLessThan((2 / 3) * of(two, "macro_f1") + 0.05);
});

test("probabilities of 0 cost as much as scikit-learn lets them, and no row costs nothing", () => {
  const labels = Uint16Array.of(0, 1);
  const set = { classCount: 2, labels, predicted: labels, likelihoods: Float64Array.of(0, 1) };
  expect(of(set, "log_loss")).toBeCloseTo(-Math.log(Number.EPSILON) / 2, 9);
  expect(classMetrics.accuracy(new Float64Array(classSumCount(2)), 2)).toBe(0);
});

test.each([[60], [16]])("the sparse bootstrap draws what the dense one draws, by %i units", (mostUnits) => {
  const set = planted();
  const width = classSumCount(set.classCount);
  const options = { seed: 3, replicates: 50, mostUnits };
  const columns = Array.from({ length: width }, () => new Float64Array(60));
  for (let row = 0; row < 60; row++) {
    const sums = new Float64Array(width);
    addClassRow(set, row, sums);
    columns.forEach((column, at) => {
      column[row] = sums[at] ?? 0;
    });
  }
  const statistic = (sums: ArrayLike<number>) => classMetrics.macro_f1(sums, 4);
  const sparse = {
    rows: 60,
    width,
    add: (row: number, sums: Float64Array, from: number) => addClassRow(set, row, sums, from),
  };
  const [dense] = bootstrapSums(columns, [statistic], options);
  const [found] = bootstrapSparseSums(sparse, [statistic], options);
  expect([...(found?.replicates ?? [])]).toEqual([...(dense?.replicates ?? [Number.NaN])]);
  expect(() => bootstrapSparseSums({ ...sparse, rows: 0 }, [statistic], options)).toThrow(RangeError);
});
