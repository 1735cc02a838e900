import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  accuracy,
  brierScore,
  compareAuc,
  logLoss,
  midranks,
  normalQuantile,
  quantile,
  rocAuc,
  type ScoredSet,
  thresholdCounts,
} from "@portolan/numerics";
import { beforeAll, describe, expect, test } from "vitest";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";
import { randomOf } from "../../chaos/random.ts";

/** Every number has an oracle: `packages/numerics` against scikit-learn, scipy and numpy on seeded random sets. */
const python = await pythonClient("oracles");

const seed = 20_261_123;
const threshold = 0.5;
const levels = [0, 0.001, 0.025, 0.1, 1 / 3, 0.5, 0.75, 0.95, 0.99, 0.999_999, 1];

interface Case {
  readonly labels: number[];
  readonly scores: number[];
  readonly other: number[];
  readonly threshold: number;
  readonly levels: readonly number[];
}

interface Oracle {
  readonly auc: number;
  readonly variance: number;
  readonly difference: number;
  readonly differenceError: number;
  readonly brier: number;
  readonly logLoss: number;
  readonly accuracy: number;
  readonly counts: readonly [number, number, number, number];
  readonly quantiles: readonly number[];
  readonly midranks: readonly number[];
  readonly normalQuantiles: readonly number[];
}

/** Sizes from two rows to thousands; `grid` rounds scores, so that many tie, some of them at exactly 0 and 1. */
function makeCase(random: () => number, size: number, grid: number | undefined, share: number): Case {
  const labels = Array.from({ length: size }, (_, i) =>
    i === 0 ? 1 : i === 1 ? 0 : random() < share ? 1 : 0,
  );
  const round = (value: number): number => (grid === undefined ? value : Math.round(value * grid) / grid);
  const score = (label: number, signal: number): number => round((1 - signal) * random() + signal * label);
  return {
    labels,
    scores: labels.map((label) => score(label, 0.3)),
    other: labels.map((label) => score(label, 0.1)),
    threshold,
    levels,
  };
}

function cases(): Case[] {
  const random = randomOf(seed);
  const made: Case[] = [];
  for (const size of [4, 7, 50, 333, 2000]) {
    for (const grid of [undefined, 10, 2]) {
      for (const share of [0.5, 0.05]) {
        const one = makeCase(random, size, grid, share);
        // A variance needs two of each class.
        if (size > 4 || share === 0.5) made.push({ ...one, labels: twoOfEach(one.labels) });
      }
    }
  }
  return made;
}

function twoOfEach(labels: readonly number[]): number[] {
  return labels.map((label, i) => (i < 4 ? i % 2 : label));
}

const setOf = (each: Case, scores: readonly number[]): ScoredSet => ({
  scores: Float64Array.from(scores),
  labels: Uint8Array.from(each.labels),
});

describe.skipIf(python === undefined)(`numerics against scikit-learn, seed ${seed}`, () => {
  const all = cases();
  let oracles: readonly Oracle[] = [];
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), "portolan-oracle-"));
    const file = join(folder, "cases.json");
    await writeFile(file, JSON.stringify(all));
    const { exitCode, output } = await runCommand(
      python ?? "",
      ["-W", "error::RuntimeWarning", join(import.meta.dirname, "oracle.py"), file],
      { cwd: folder },
    );
    await rm(folder, { recursive: true });
    if (exitCode !== 0) throw new Error(output);
    oracles = JSON.parse(output) as readonly Oracle[];
    expect(oracles.length).toBe(all.length);
  });

  /** Asserts for every set that ours and theirs agree to 1e-12, relative where the value is above one. */
  function agree(
    name: string,
    ours: (each: Case, set: ScoredSet) => number[],
    theirs: (o: Oracle) => number[],
  ) {
    const wrong: string[] = [];
    let compared = 0;
    all.forEach((each, i) => {
      const oracle = oracles[i];
      if (!oracle) throw new Error(`no oracle for set ${i}`);
      const expected = theirs(oracle);
      ours(each, setOf(each, each.scores)).forEach((value, j) => {
        const want = expected[j] ?? Number.NaN;
        compared += 1;
        if (!(Math.abs(value - want) <= 1e-12 * Math.max(1, Math.abs(want)))) {
          wrong.push(`${name} of set ${i} (${each.labels.length} rows): ${value}, not ${want}`);
        }
      });
    });
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThanOrEqual(all.length);
  }

  test("AUC with ties, as roc_auc_score", () =>
    agree(
      "auc",
      (_, set) => [rocAuc(set).auc],
      (o) => [o.auc],
    ));
  test("DeLong's variance, as its definition over all pairs", () =>
    agree(
      "variance",
      (_, set) => [rocAuc(set).variance],
      (o) => [o.variance],
    ));
  test("the difference of two AUCs on the same rows and its standard error", () =>
    agree(
      "difference",
      (each, set) => {
        const { difference, standardError } = compareAuc(set, setOf(each, each.other));
        return [difference, standardError];
      },
      (o) => [o.difference, o.differenceError],
    ));
  test("Brier score, as brier_score_loss", () =>
    agree(
      "brier",
      (_, set) => [brierScore(set)],
      (o) => [o.brier],
    ));
  test("log loss, also of certain scores, as log_loss", () =>
    agree(
      "log loss",
      (_, set) => [logLoss(set)],
      (o) => [o.logLoss],
    ));
  test("accuracy and confusion matrix at a threshold that scores hit", () =>
    agree(
      "accuracy",
      (_, set) => {
        const c = thresholdCounts(set, threshold);
        return [
          accuracy(set, threshold),
          c.truePositives,
          c.falsePositives,
          c.trueNegatives,
          c.falseNegatives,
        ];
      },
      (o) => [o.accuracy, ...o.counts],
    ));
  test("sample quantiles, as numpy's default", () =>
    agree(
      "quantile",
      (each) => {
        const sorted = Float64Array.from(each.scores).toSorted();
        return levels.map((level) => quantile(sorted, level));
      },
      (o) => [...o.quantiles],
    ));
  test("midranks, as scipy's rankdata", () =>
    agree(
      "midrank",
      (_, set) => [...midranks(set.scores)],
      (o) => [...o.midranks],
    ));
  test("the normal quantile, within the 1.15e-9 that its approximation promises", () => {
    const inner = levels.filter((level) => level > 0 && level < 1);
    const theirs = oracles[0]?.normalQuantiles ?? [];
    expect(theirs.length).toBe(inner.length);
    const errors = inner.map((level, i) => {
      const want = theirs[i] ?? Number.NaN;
      return Math.abs(normalQuantile(level) - want) / Math.max(1, Math.abs(want));
    });
    expect(Math.max(...errors)).toBeLessThan(1.15e-9);
  });
});
