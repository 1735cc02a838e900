import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { disagreement, type OracleCase, ourAnswer } from "../../../packages/numerics/test/oracle-cases.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";
import { randomOf } from "../../chaos/random.ts";

/** The statistics that drift is judged by, against scipy on random inputs: beside the golden cases, whose inputs are always the same. */
const python = await pythonClient("oracles");
const seed = 20_261_127;

function casesOf(random: () => number): OracleCase[] {
  const whole = (below: number): number => Math.floor(random() * below);
  const many = <T>(count: number, make: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at));
  const normal = (): number => random() + random() + random() + random() - 2;
  const sample = (size: number, shift: number, grid: number): number[] =>
    many(size, () => (grid === 0 ? normal() + shift : Math.round((normal() + shift) * grid) / grid));
  const histogram = (bins: number, rows: number): number[] => many(bins, () => 1 + whole((2 * rows) / bins));
  const samples = many(40, (at): OracleCase => {
    const [shift, grid] = [random(), [0, 0, 3][whole(3)] ?? 0];
    const method = at % 3 === 0 ? "asymp" : "auto";
    return { kind: "ks", a: sample(2 + whole(200), shift, grid), b: sample(2 + whole(200), 0, grid), method };
  });
  const histograms = many(30, () => {
    const bins = 2 + whole(60);
    const [a, b] = [histogram(bins, 200 + whole(20_000)), histogram(bins, 200 + whole(200_000))];
    const kinds = ["ksCounts", "stability", "jensenShannon"] as const;
    return [
      ...kinds.map((kind): OracleCase => ({ kind, a, b })),
      { kind: "contingency" as const, rows: [a, b] },
    ];
  }).flat();
  const tails = many(80, () => {
    const n = 1 + whole(10 ** (1 + 4 * random()));
    const x = Math.min(0.999, (0.05 + 6 * random()) / Math.sqrt(n));
    const chi: OracleCase = { kind: "chiSquared", x: 600 * random() ** 3, dof: 1 + whole(120) };
    return [{ kind: "kolmogorov", n, x } as const, { kind: "smirnov", n, x } as const, chi];
  }).flat();
  const others = many(20, (): OracleCase[] => {
    const [n, m] = [1 + whole(80), 1 + whole(80)];
    const of = (size: number) => ({ of: size, cases: whole(size + 1) });
    const [now, before] = [of(1 + whole(2000)), of(1 + whole(20_000))];
    return [
      {
        kind: "wasserstein",
        a: sample(n, 1, 0),
        b: sample(m, 0, 0),
        aWeights: many(n, () => 0.1 + random()),
        bWeights: many(m, () => 1 + whole(4)),
      },
      { kind: "benjaminiHochberg", p: many(n, () => random() ** 4) },
      { kind: "fisher", now: [now.cases, now.of], before: [before.cases, before.of] },
    ];
  }).flat();
  return [...samples, ...histograms, ...tails, ...others];
}

test.skipIf(python === undefined)(`each statistic equals scipy's to 1e-12, seed ${seed}`, async () => {
  const cases = casesOf(randomOf(seed));
  const folder = await mkdtemp(join(tmpdir(), "portolan-oracle-"));
  const file = join(folder, "cases.json");
  await writeFile(file, JSON.stringify(cases));
  const script = join(import.meta.dirname, "drift_statistics.py");
  const { exitCode, output } = await runCommand(python ?? "", [script, file], { cwd: folder });
  await rm(folder, { recursive: true });
  if (exitCode !== 0) throw new Error(output);
  const answers = JSON.parse(output) as readonly (readonly number[])[];
  expect(answers.length).toBe(cases.length);
  expect(cases.flatMap((one, at) => disagreement(one, ourAnswer(one), answers[at] ?? []))).toEqual([]);
});
