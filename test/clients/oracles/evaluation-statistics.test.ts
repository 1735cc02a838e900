import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type EvaluationCase,
  evaluationDisagreement,
} from "../../../packages/numerics/test/evaluation-cases.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";
import { randomOf } from "../../chaos/random.ts";

/** The statistics that models are evaluated by, against scikit-learn, scipy and fairlearn on random inputs, beside the golden cases. */
const python = await pythonClient("oracles");
const seed = 20_261_128;

function casesOf(random: () => number): EvaluationCase[] {
  const whole = (below: number): number => Math.floor(random() * below);
  const many = <T>(count: number, make: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at));
  const scored = (size: number, grid: number) => {
    const labels = many(size, (at) => (at < 4 ? at % 2 : Number(random() < 0.4)));
    const scores = labels.map((label) => {
      const score = 0.02 + 0.96 * (0.8 * random() + 0.2 * label);
      return grid === 0 ? score : Math.round(score * grid) / grid;
    });
    return { labels, scores };
  };
  const calibrations = many(40, (at): EvaluationCase[] => {
    const set = scored(30 + whole(400), [0, 0, 10, 4][at % 4] ?? 0);
    return [
      { kind: "calibration", ...set, binning: "uniform", bins: 2 + whole(20) },
      { kind: "calibration", ...set, binning: "quantile", bins: 2 + whole(12) },
      { kind: "recalibration", ...set },
    ];
  }).flat();
  const shares = many(60, (): EvaluationCase[] => {
    const of = 30 + whole(5000);
    const [gained, lost] = [1 + whole(Math.min(120, of / 4)), 1 + whole(Math.min(120, of / 4))];
    return [
      { kind: "wilson", cases: whole(of + 1), of },
      { kind: "mcnemar", gained, lost },
      { kind: "notInferior", gained, lost, of, margin: 0.001 + 0.1 * random() },
      { kind: "normalTail", z: 12 * random() - 6 },
    ];
  }).flat();
  const intervals = many(10, (): EvaluationCase => {
    const data = many(4 + whole(60), () => random() ** 3);
    const drawn = () => data.reduce((sum) => sum + (data[whole(data.length)] ?? 0), 0) / data.length;
    return { kind: "bca", data, replicates: many(499, drawn) };
  });
  const groups = many(25, (): EvaluationCase => {
    const count = 2 + whole(4);
    // One selected row of each group and class: of zeros alone fairlearn's ratios have no value.
    const first = many(2 * count, (at) => [at >> 1, at % 2, 1] as const);
    const rest = many(40 + whole(400), () => [whole(count), whole(2), whole(2)] as const);
    const rows = [...first, ...rest];
    return {
      kind: "fairness",
      groups: rows.map(([group]) => group),
      labels: rows.map(([, label]) => label),
      decisions: rows.map(([, , decision]) => decision),
    };
  });
  const ridges = many(15, (): EvaluationCase => {
    const width = 1 + whole(6);
    const rows = many(30 + whole(100), () => many(width, () => 4 * random() - 2));
    const labels = rows.map(([first = 0], at) => (at < 2 ? at : Number(first + 2 * random() > 1)));
    return { kind: "ridge", rows, labels, ridge: 10 ** (3 * random() - 2) };
  });
  const rankings = many(40, (at): EvaluationCase[] => {
    const set = scored(10 + whole(400), [0, 10, 100][at % 3] ?? 0);
    const quantities = set.scores.map((score) => 1000 * score + 50 * random());
    const grades = set.scores.map((score) => Math.floor(4 * score * random()));
    return [
      { kind: "averagePrecision", ...set },
      { kind: "regression", labels: quantities, scores: set.scores.map((score) => 1000 * score) },
      { kind: "ndcg", labels: grades, scores: set.scores, most: 1 + whole(20) },
    ];
  }).flat();
  const classes = many(20, (): EvaluationCase => {
    const count = 2 + whole(6);
    const table = many(30 + whole(400), () => {
      const raw = many(count, () => random() ** 3);
      const sum = raw.reduce((all, one) => all + one, 0);
      return raw.map((one) => one / sum);
    });
    const labels = table.map((scores) => {
      let rest = random();
      const found = scores.findIndex((score) => (rest -= score) < 0);
      return found < 0 ? 0 : found;
    });
    return { kind: "classCalibration", labels, table, bins: 5 + whole(15) };
  });
  return [...calibrations, ...shares, ...intervals, ...groups, ...ridges, ...rankings, ...classes];
}

test.skipIf(python === undefined)(
  `calibration, paired tests, intervals, fairness, logistic regression, errors and rankings equal their oracles', seed ${seed}`,
  async () => {
    const cases = casesOf(randomOf(seed));
    const folder = await mkdtemp(join(tmpdir(), "portolan-oracle-"));
    const file = join(folder, "cases.json");
    await writeFile(file, JSON.stringify(cases));
    const script = join(import.meta.dirname, "evaluation_statistics.py");
    const { exitCode, output } = await runCommand(python ?? "", ["-W", "ignore", script, file], {
      cwd: folder,
    });
    await rm(folder, { recursive: true });
    if (exitCode !== 0) throw new Error(output);
    const answers = JSON.parse(output) as readonly (readonly number[])[];
    expect(answers.length).toBe(cases.length);
    expect(cases.flatMap((one, at) => evaluationDisagreement(one, answers[at] ?? []))).toEqual([]);
  },
);
