import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { countAlarms, DriftSimulation } from "../packages/monitoring/test/drift-simulation.ts";
import { randomOf } from "../test/chaos/random.ts";
import { pythonOf } from "./peers/servers.ts";

/**
 * How often drift is called where there is none, and how often where one column of many moved: `node bench/drift-alarms.ts`. Independent
 * normal columns; counting and judging are those of the product.
 *
 * Usage: node bench/drift-alarms.ts [--columns 100] [--reference 20000] [--windows 600] [--trials 100] [--rows 1000] [--seed 1]
 * `--rows` is the size of windows: 200, 1000 or 5000; all of them without it. `--evidently N` lets Evidently judge N windows of each size too,
 * seconds a window.
 */
const { values } = parseArgs({
  options: {
    columns: { type: "string", default: "100" },
    reference: { type: "string", default: "20000" },
    windows: { type: "string", default: "600" },
    trials: { type: "string", default: "100" },
    rows: { type: "string" },
    evidently: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const [columns, reference, windows, trials] = [
  values.columns,
  values.reference,
  values.windows,
  values.trials,
].map(Number) as [number, number, number, number];
const isAsked = (rows: number): boolean => values.rows === undefined || Number(values.rows) === rows;
const random = randomOf(Number(values.seed));

/** A reference of its own each, so that none is lucky for all. */
const references = 6;
const simulations = Array.from({ length: references }, () => new DriftSimulation(random, columns, reference));

console.log(`${columns} columns, reference of ${reference} rows, seed ${values.seed}`);
for (const rows of [200, 1000, 5000].filter(isAsked)) {
  const counted = simulations.map((simulation) =>
    countAlarms(simulation, Math.ceil(windows / references), rows),
  );
  const total = references * Math.ceil(windows / references);
  const share = (of: "raw" | "corrected" | "differing" | "drifting"): string =>
    percent(
      counted.reduce((sum, one) => sum + one[of], 0),
      total,
    );
  console.log(
    `no change, n = ${rows}: p < 5 % in ${share("raw")} of ${total} windows, after correction ${share("corrected")}, ` +
      `with an effect ${share("differing")}, twice in a row ${share("drifting")}`,
  );
}
const shiftsOf: Readonly<Record<number, readonly number[]>> = {
  200: [0.5],
  1000: [0.2, 0.25, 0.3],
  5000: [0.1, 0.2],
};
for (const rows of [200, 1000, 5000].filter(isAsked))
  for (const shift of shiftsOf[rows] ?? []) {
    let found = 0;
    for (let trial = 0; trial < trials; trial++) {
      const simulation = simulations[trial % references];
      found += simulation ? countAlarms(simulation, 2, rows, shift).drifting : 0;
    }
    console.log(
      `${shift} σ in 1 of ${columns}, n = ${rows}: ${percent(found, trials)} of ${trials} found within two windows`,
    );
  }

if (values.evidently !== undefined)
  for (const rows of [200, 1000, 5000].filter(isAsked))
    for (const shift of [0, ...(shiftsOf[rows] ?? [])]) await judgeByEvidently(rows, shift, values.evidently);

async function judgeByEvidently(rows: number, shift: number, many: string): Promise<void> {
  const script = join(import.meta.dirname, "peers/evidently_alarms.py");
  const order = [rows, columns, reference, many, shift, values.seed].map(String);
  const { stdout } = await promisify(execFile)(await pythonOf("evidently"), [script, ...order]);
  const found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Readonly<
    Record<"windows" | "anyColumn" | "firstColumn" | "dataset", number>
  >;
  const share = (of: "anyColumn" | "firstColumn" | "dataset") => percent(found[of], found.windows);
  console.log(
    `Evidently, ${shift} σ in 1 of ${columns}, n = ${rows}: a column flagged in ${share("anyColumn")} of ${found.windows} windows, ` +
      `the first one in ${share("firstColumn")}, the data set in ${share("dataset")}`,
  );
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
