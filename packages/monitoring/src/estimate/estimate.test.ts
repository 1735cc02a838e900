import { seededRandom, wilsonInterval } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { numericReference } from "../reference-profile.ts";
import { type CalibratedCell, estimateMetrics, joinCells, type Outcomes } from "./estimate-metrics.ts";
import { calibrationExcess, type EstimateEvidence, judgeEstimate } from "./judge-estimate.ts";
import { outcomesByCell, rangeOf, scoreColumn } from "./score-column.ts";

const outcomes = (tp: number, fp: number, tn: number, fn: number): Outcomes => ({
  truePositives: tp,
  falsePositives: fp,
  trueNegatives: tn,
  falseNegatives: fn,
});
const valueOf = (cells: readonly CalibratedCell[], metric: string) =>
  estimateMetrics(cells, 0.95).find((one) => one.metric === metric);

describe("what scores let expect", () => {
  // Four answers: two of a cell that says yes and is right three times in four, one each of cells that say no.
  const cells: CalibratedCell[] = [
    { reference: outcomes(0, 0, 90, 10), now: 1 },
    { reference: outcomes(0, 0, 60, 40), now: 1 },
    { reference: outcomes(75, 25, 0, 0), now: 2 },
  ];
  const chances = [0.1, 0.4, 0.75, 0.75];
  const says = [0, 0, 1, 1];

  /** The mean over every way in which four outcomes can fall. */
  function enumerated(figure: (labels: readonly number[]) => number): number {
    let mean = 0;
    for (let way = 0; way < 16; way++) {
      const labels = chances.map((_, at) => (way >> at) & 1);
      const weight = labels.reduce(
        (product, one, at) => product * (one ? (chances[at] ?? 0) : 1 - (chances[at] ?? 0)),
        1,
      );
      mean += weight * figure(labels);
    }
    return mean;
  }
  const count = (labels: readonly number[], said: number, happened: number): number =>
    labels.filter((label, at) => label === happened && says[at] === said).length;

  test("accuracy and precision are the mean over all ways in which outcomes can fall, by enumeration", () => {
    const accuracy = enumerated((labels) => (count(labels, 1, 1) + count(labels, 0, 0)) / 4);
    expect(valueOf(cells, "accuracy")?.value).toBeCloseTo(accuracy, 12);
    expect(valueOf(cells, "precision")?.value).toBeCloseTo(
      enumerated((labels) => count(labels, 1, 1) / 2),
      12,
    );
  });

  test("what divides by what is unknown too is the quotient of the enumerated means", () => {
    const tp = enumerated((labels) => count(labels, 1, 1));
    const fn = enumerated((labels) => count(labels, 0, 1));
    const fp = enumerated((labels) => count(labels, 1, 0));
    expect(valueOf(cells, "recall")?.value).toBeCloseTo(tp / (tp + fn), 12);
    expect(valueOf(cells, "f1")?.value).toBeCloseTo((2 * tp) / (2 * tp + fp + fn), 12);
    const pairs = enumerated((labels) => {
      const scores = [0, 1, 2, 2];
      let sum = 0;
      for (const [a, up] of labels.entries())
        for (const [b, down] of labels.entries())
          if (a !== b && up === 1 && down === 0)
            sum += Math.sign((scores[a] ?? 0) - (scores[b] ?? 0)) / 2 + 0.5;
      return sum;
    });
    const positives = chances.reduce((sum, one) => sum + one, 0);
    // Of an answer with itself no pair is drawn; over cells it is one of two that tie.
    const own = chances.reduce((sum, one) => sum + (one * (1 - one)) / 2, 0);
    expect(valueOf(cells, "roc_auc")?.value).toBeCloseTo((pairs + own) / (positives * (4 - positives)), 12);
  });

  test("its interval is that of the reference's share where the window has no end, and of both where it has", () => {
    const endless = [{ reference: outcomes(600, 0, 0, 400), now: 1e9 }];
    const found = valueOf(endless, "accuracy");
    const { low, high } = wilsonInterval(600, 1000);
    expect(found?.low).toBeCloseTo(low, 2);
    expect(found?.high).toBeCloseTo(high, 2);
    const few = valueOf([{ reference: outcomes(600, 0, 0, 400), now: 1000 }], "accuracy");
    expect((few?.high ?? 0) - (few?.low ?? 0)).toBeCloseTo(Math.SQRT2 * (high - low), 2);
  });

  test("intervals hold what was measured as often as they say, with the same meaning of scores and another mix of them", () => {
    const random = seededRandom(20_261_127);
    const draw = (sharpness: number, rows: number): [score: number, label: number][] =>
      Array.from({ length: rows }, () => {
        const score = random() ** sharpness;
        return [score, Number(random() < score)];
      });
    const cellsOf = (rows: readonly [number, number][]): Outcomes[] =>
      Array.from({ length: 20 }, (_, at) => {
        const own = rows.filter(([score]) => Math.floor(score * 20) === at);
        const yes = own.filter(([, label]) => label === 1).length;
        return at >= 10 ? outcomes(yes, own.length - yes, 0, 0) : outcomes(0, 0, own.length - yes, yes);
      });
    let held = 0;
    for (let run = 0; run < 200; run++) {
      const reference = cellsOf(draw(1, 2000));
      const now = draw(2, 1000);
      const cells = cellsOf(now).map((one, at) => ({
        reference: reference[at] ?? outcomes(0, 0, 0, 0),
        now: Object.values(one).reduce((sum, count) => sum + count, 0),
      }));
      const estimate = valueOf(joinCells(cells), "accuracy");
      const measured = now.filter(([score, label]) => Number(score >= 0.5) === label).length / now.length;
      if (estimate && measured >= estimate.low && measured <= estimate.high) held += 1;
    }
    // Of 200 with 95 % each: fewer than 181 have a chance of 0.4 %.
    expect(held).toBeGreaterThanOrEqual(181);
  });

  test("cells with few labels join their neighbours, and none is lost", () => {
    const joined = joinCells([
      { reference: outcomes(0, 0, 20, 0), now: 1 },
      { reference: outcomes(0, 0, 20, 0), now: 2 },
      { reference: outcomes(0, 0, 35, 0), now: 4 },
      { reference: outcomes(5, 0, 0, 0), now: 8 },
    ]);
    expect(joined.map(({ now }) => now)).toEqual([3, 12]);
    expect(joinCells([{ reference: outcomes(1, 0, 0, 0), now: 1 }])).toEqual([]);
  });
});

describe("doubts", () => {
  const random = seededRandom(11);
  const range = Array.from({ length: 10 }, (_, at) => at);
  const sampled = (perCell: number, shift: number): Outcomes[] =>
    range.map((at) => {
      const chance = Math.min(1, Math.max(0, (at + 0.5) / 10 + shift));
      const yes = Array.from({ length: perCell }).filter(() => random() < chance).length;
      return at >= 5 ? outcomes(yes, perCell - yes, 0, 0) : outcomes(0, 0, perCell - yes, yes);
    });
  const evidence = (over: Partial<EstimateEvidence> = {}): EstimateEvidence => ({
    reference: sampled(200, 0),
    since: sampled(100, 0),
    scores: range.map(() => 50),
    outside: 0,
    hasDrifted: false,
    ...over,
  });

  test("scores that mean the same are trusted, and those that mean something else are not", () => {
    expect(judgeEstimate(evidence())).toMatchObject({ reliability: "reliable", doubts: [] });
    expect(judgeEstimate(evidence({ since: sampled(100, -0.15) }))).toMatchObject({
      reliability: "unreliable",
      doubts: ["calibration_worse"],
    });
  });

  test("the excess of the calibration error is around nothing without a change, and rarely near the bound", () => {
    const excess = Array.from({ length: 300 }, () => calibrationExcess(sampled(100, 0), sampled(50, 0)));
    expect(Math.abs(excess.reduce((sum, one) => sum + one, 0) / 300)).toBeLessThan(0.01);
    expect(excess.filter((one) => one > 0.05).length).toBeLessThanOrEqual(3);
  });

  test("without labels since it is unchecked; drift, scores and inputs that were never seen make it unreliable", () => {
    const none = sampled(0, 0);
    expect(judgeEstimate(evidence({ since: none }))).toMatchObject({
      reliability: "unchecked",
      doubts: ["unchecked"],
    });
    expect(judgeEstimate(evidence({ hasDrifted: true }))?.doubts).toEqual(["concept_drift"]);
    expect(judgeEstimate(evidence({ outside: 20 }))?.doubts).toEqual(["outside_scores"]);
    expect(judgeEstimate(evidence({ unseen: 0.2 }))?.doubts).toEqual(["unseen_inputs"]);
    expect(judgeEstimate(evidence({ scores: range.map(() => 1) }))).toBeUndefined();
  });
});

test("the score is the last probability of a profile, and labels fall into its cells", () => {
  const numbers = Array.from({ length: 1000 }, (_, at) => at / 1000);
  const input = numericReference({ tensor: "x", column: 0, name: "x" }, numbers);
  const label = numericReference({ tensor: "label", column: 0, name: "label" }, [0, 1, 0, 1]);
  const probability = numericReference({ tensor: "p", column: 1, name: "p" }, numbers);
  const profile = {
    format: 1,
    model: { name: "churn", version: 1, digest: `sha256:${"ab".repeat(32)}` },
    data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 1000, sampledEvery: 1 },
    rows: 1000,
    inputs: [input],
    skipped: [],
  } as const;
  const found = scoreColumn("sha256:ef", {
    ...profile,
    inputs: [input],
    skipped: [],
    outputs: [probability, label],
  });
  expect(found).toMatchObject({ column: { name: "p" }, offset: input.counts.length });
  expect(
    scoreColumn("sha256:ef", { ...profile, inputs: [input], skipped: [], outputs: [label] }),
  ).toBeUndefined();
  if (!found) throw new Error("there is a probability");
  const at = { predictionId: "prd_1", receivedAt: 0 };
  const cells = outcomesByCell(found, [
    { ...at, said: 0.97, happened: 1 },
    { ...at, said: 0.01, happened: 1 },
    { ...at, said: 0.01, happened: 0 },
  ]);
  const { from, to } = rangeOf(found);
  expect(cells[from]).toEqual(outcomes(0, 0, 1, 1));
  expect(cells[to - 1]).toEqual(outcomes(1, 0, 0, 0));
});
