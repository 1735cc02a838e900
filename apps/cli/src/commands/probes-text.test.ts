import type { RowMetrics } from "@portolan/evaluation/contract";
import { expect, test } from "vitest";
import { evaluationText } from "./evaluation-text.ts";
import { faithfulnessText } from "./probes-text.ts";

const interval = { low: 0.05, high: 0.2, level: 0.95 };
const metrics: RowMetrics = {
  rows: 100,
  positives: 40,
  values: { accuracy: 0.9 },
  rocAucInterval: interval,
};
const told = (more: Partial<RowMetrics>) => evaluationText({ metrics: { ...metrics, ...more }, gates: [] });
const robustness = { mutable: ["wait"], radius: 0.5, reference: "training", seed: 1, rows: 200 } as const;

test("robustness says what was turned and what is certified, or why not", () => {
  const turned = { count: 20, share: 0.1, interval };
  const report = { ...robustness, mutable: ["wait"], turned, turnedAtAll: 180, medianDistance: 1.25 };
  const certified = { certified: { count: 70, share: 0.7, interval }, certifiedRows: 100, exactRows: 60 };
  expect(told({ robustness: { ...report, ...certified, medianRadius: 0.8 } })).toContain(
    `robustness, wait within 0.5 standard deviations of the training rows:
  attacked: 20 of 200 decisions turned (at most 20 %), 180 at any distance, median distance 1.250
  certified: 70 of 100 (at least 5 %), 60 exactly, median radius 0.800`,
  );
  expect(told({ robustness: { ...report, notCertified: "no trees" } })).toContain("certified: no trees");
  expect(told({ robustness: { ...robustness, mutable: ["x"], problem: "no feature x" } })).toContain(
    ": no feature x",
  );
});

test("membership says each attack's area with its interval, or why there is none", () => {
  const attacks = [{ attack: "loss" as const, auc: 0.52, interval }];
  expect(told({ membership: { members: 500, others: 400, unscored: 3, attacks } })).toContain(
    "membership, 500 training and 400 held-out rows, 3 without a score: loss AUC 0.5200 [0.0500, 0.2000]",
  );
  expect(
    told({ membership: { members: 0, others: 4, attacks: [], problem: "trained elsewhere" } }),
  ).toContain("membership: trained elsewhere");
});

test("the review of training labels names rows by their place", () => {
  const trainingData = {
    rows: 1000,
    sampledEvery: 2,
    folds: 5,
    rocAuc: 0.9,
    suspects: { count: 1, share: 0.001, interval },
    suspected: [{ row: 14, label: 1, probability: 0.02 }],
    influential: [{ row: 8, label: 0, influence: 0.1234 }],
  };
  const text = told({ trainingData });
  expect(text).toContain(
    "training data, 1000 rows, one in 2: 1 labels contradicted (0.1 %), by models of AUC 0.9000",
  );
  expect(text).toContain("first rows, with their label: 14 (1)");
  expect(text).toContain("most influential rows, with Cook's distance: 8 (0.123)");
});

test("figures of the business and the model's own time are told with what is wrong with them", () => {
  const definition = { columns: {}, sums: {}, value: "rows" };
  const text = told({
    kpis: [
      { name: "saved", unit: "EUR", definition, value: 12.5, interval: { ...interval, method: "bca" } },
      { name: "lost", definition, problem: "the rows have no column cost" },
    ],
    compute: {
      profile: "sha256:00",
      runtime: "onnxruntime-node 1.30.0",
      cpu: "a processor",
      cores: 2,
      loadAverage: 0.1,
      runs: 500,
      p50Micros: 900,
      p95Micros: 2000,
      cpuMicros: 1000,
      modelBytes: 5000,
      peakBytes: 90_000,
    },
  });
  expect(text).toMatch(/saved +12\.5 +EUR +\[0\.05, 0\.2\]/);
  expect(text).toMatch(/lost +none +the rows have no column cost/);
  expect(text).toContain("the model alone: p95 2 ms of 500 runs of one row, file 5000 bytes");
});

test("a judge's word is told with how often the judge is wrong", () => {
  const judge = { model: "examiner", version: 2, artifact: "sha256:00", prompt: "sha256:01" };
  const report = {
    judge,
    judged: 10,
    faithful: 9,
    interval,
    labelled: 20,
    wrong: 2,
    passedWrongly: 1,
    replayed: 4,
  };
  expect(faithfulnessText(report)).toBe(
    "9 of 10 answers faithful to their source by examiner/2; the judge is wrong on 2 of 20 labelled answers, 1 of them found faithful; 4 verdicts replayed",
  );
  expect(faithfulnessText({ ...report, labelled: 0, wrong: 0, passedWrongly: 0 })).toContain("nobody knows");
});
