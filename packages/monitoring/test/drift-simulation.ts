import { DriftCounter, splitCounts } from "../src/drift-counter.ts";
import { judgeWindow } from "../src/judgement/judge-window.ts";
import { driftPolicy } from "../src/judgement/policy.ts";
import type { JudgedWindow } from "../src/judgement/windows.ts";
import type { NumericColumn } from "../src/profile-schema.ts";
import { numericReference } from "../src/reference-profile.ts";

/** Independent normal columns with a reference of their own, and windows of the same law or of one that moved in one column. */
export class DriftSimulation {
  readonly profile: {
    readonly inputs: NumericColumn[];
    readonly outputs: NumericColumn[];
    readonly rows: number;
    readonly skipped: string[];
  };
  readonly #uniform: () => number;
  readonly #counter: DriftCounter;
  readonly #columns: number;
  #start = 0;

  /** @param uniform in [0, 1), seeded */
  constructor(uniform: () => number, columns: number, referenceRows: number) {
    this.#uniform = uniform;
    this.#columns = columns;
    const inputs = Array.from({ length: columns }, (_, column) =>
      numericReference({ tensor: "x", column, name: `x${column}` }, this.#normals(referenceRows)),
    );
    this.profile = { inputs, outputs: [], rows: referenceRows, skipped: [] };
    this.#counter = new DriftCounter(this.profile);
  }

  /** The next hour. @param shift of the first column, in standard deviations */
  window(rows: number, shift = 0): JudgedWindow {
    const data = this.#normals(rows * this.#columns);
    for (let at = 0; at < data.length; at += this.#columns) data[at] = (data[at] ?? 0) + shift;
    const counts = new Uint32Array(this.#counter.cells);
    this.#counter.count(counts, rows, [{ name: "x", data }], []);
    const start = this.#start;
    this.#start += 3_600_000_000;
    return { start, lastStart: start, rows, counts: [...counts] };
  }

  /** Box and Muller's. */
  #normals(count: number): Float64Array {
    const values = new Float64Array(count);
    for (let at = 0; at < count; at += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.#uniform()));
      const angle = 2 * Math.PI * this.#uniform();
      values[at] = radius * Math.cos(angle);
      if (at + 1 < count) values[at + 1] = radius * Math.sin(angle);
    }
    return values;
  }
}

/** How many windows of one series alarm at the stages of the policy. */
export interface AlarmCounts {
  /** A p-value below 5 %, uncorrected. */
  raw: number;
  /** A test that stands after correction over the columns. */
  corrected: number;
  /** A column or a share that differs. */
  differing: number;
  /** One that differs in the window before too: what is called drift. */
  drifting: number;
}

/** Draws `windows` windows of `rows` rows one after another and judges each. */
export function countAlarms(
  simulation: DriftSimulation,
  windows: number,
  rows: number,
  shift = 0,
): AlarmCounts {
  const counts: AlarmCounts = { raw: 0, corrected: 0, differing: 0, drifting: 0 };
  let before: readonly boolean[] = [];
  for (let at = 0; at < windows; at++) {
    const columns = splitCounts(simulation.profile.inputs, simulation.window(rows, shift).counts);
    const judged = judgeWindow(columns).flatMap((finding) => finding.judged ?? []);
    const differs = judged.flatMap((one) => [one.differs, ...one.checks.map((check) => check.differs)]);
    if (judged.some(({ p }) => p < 0.05)) counts.raw++;
    if (judged.some(({ adjusted }) => adjusted <= driftPolicy.falseDiscoveryRate)) counts.corrected++;
    if (differs.includes(true)) counts.differing++;
    if (differs.some((one, i) => one && before[i] === true)) counts.drifting++;
    before = differs;
  }
  return counts;
}
