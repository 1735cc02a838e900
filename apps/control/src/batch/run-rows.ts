import type { ModelSignature } from "@portolan/onnx-format";
import type { InputPlan } from "@portolan/scoring/policy";
import { elementsOf, halfNumber, type Tensor } from "@portolan/serving/policy";
import type { Columns } from "../scoring/model-inputs.ts";
import { tensorsOfRows, zeroRow } from "./read-rows.ts";
import type { RowRunner, RowsRun } from "./row-runner.ts";
import { RunSize } from "./run-size.ts";

/** Rows on which that is tried, each by itself and all together. */
const triedRows = 64;

export interface ScoredOutput {
  readonly name: string;
  readonly datatype: Tensor["datatype"];
  /** Elements of a row. */
  readonly width: number;
  /** The values of each accepted row; none of one that was refused after all. */
  readonly rows: readonly (readonly unknown[])[];
}

export interface ScoredRows {
  /** In the model's order, also where no row was accepted. */
  readonly outputs: readonly ScoredOutput[];
  readonly rowsPerRun: number;
  /** By place in the chunk: rows that the model's server does not take, and why. */
  readonly refused: ReadonlyMap<number, string>;
}

/**
 * Runs the model over rows. Kernels for one row and for many may round differently: where the first rows differ in any bit, every row
 * is run by itself, as a client that asks for it would get it.
 */
export async function runRows(
  runner: RowRunner,
  plan: InputPlan,
  table: Columns,
  places: readonly number[],
): Promise<ScoredRows> {
  const rowsPerRun = (await rowsAreApart(runner, plan, table, places.slice(0, triedRows)))
    ? runner.mostRowsPerRun
    : 1;
  const { rowsOf, refused } = await runAll(runner, { plan, table, places, rowsPerRun });
  const widths = await widthsOf(runner, plan, rowsOf);
  const outputs = plan.signature.outputs.map(({ name, datatype }, at) => {
    const [width = 0, rows = []] = [widths[at], rowsOf.get(name)];
    const other = rows.find((row) => row !== none && row.length !== width);
    if (other)
      throw new Error(
        `the output "${name}" has ${width} values for some rows and ${other.length} for others`,
      );
    return { name, datatype, width, rows };
  });
  return { outputs, rowsPerRun, refused };
}

interface RowsToRun {
  readonly plan: InputPlan;
  readonly table: Columns;
  readonly places: readonly number[];
  readonly rowsPerRun: number;
}

type OutputRows = ReadonlyMap<string, readonly (readonly unknown[])[]>;

/** What stands for a row that was refused. */
const none: readonly unknown[] = [];
/** Of what a server says about a row. */
const mostReasonCharacters = 200;

/** As many runs at once as the runner has lanes; what is refused together is tried in halves, so that a row answers for itself alone. */
async function runAll(
  runner: RowRunner,
  { plan, table, places, rowsPerRun }: RowsToRun,
): Promise<{ readonly rowsOf: OutputRows; readonly refused: ReadonlyMap<number, string> }> {
  const rowsOf = new Map(
    plan.signature.outputs.map(({ name }) => [
      name,
      Array.from({ length: places.length }, (): readonly unknown[] => none),
    ]),
  );
  const refused = new Map<number, string>();
  let next = 0;
  const size = new RunSize(rowsPerRun);
  const runSome = async (from: number, to: number): Promise<void> => {
    const some = places.slice(from, to);
    const run = await runner.run(tensorsOfRows(plan, table, some), some.length);
    if (run.kind === "ran") {
      size.answered(some.length);
      for (const output of run.outputs) {
        const kept = rowsOf.get(output.name);
        for (let row = 0; kept && row < some.length; row++)
          kept[from + row] = rowOf(output, row, some.length);
      }
      return;
    }
    const [place] = some;
    if (some.length === 1 && place !== undefined) {
      refused.set(place, `upstream_refused: ${reasonOf(run).slice(0, mostReasonCharacters)}`);
      return;
    }
    const half = Math.ceil(some.length / 2);
    if (run.kind === "late") size.late(some.length);
    await runSome(from, from + half);
    await runSome(from + half, to);
  };
  const lane = async (): Promise<void> => {
    while (next < places.length) {
      const from = next;
      next = Math.min(places.length, from + size.rows);
      await runSome(from, next);
    }
  };
  await Promise.all(Array.from({ length: runner.lanes }, lane));
  return { rowsOf, refused };
}

function reasonOf(run: Exclude<RowsRun, { kind: "ran" }>): string {
  return run.kind === "late" ? "it takes too long" : run.reason.replaceAll(/\s+/g, " ");
}

/** Elements of a row of each output: what the model declares, or where it leaves them open, what it gives. */
async function widthsOf(runner: RowRunner, plan: InputPlan, rowsOf: OutputRows): Promise<number[]> {
  const declared = plan.signature.outputs.map(declaredWidth);
  const given = declared.map((width, at) => width ?? firstRowOf(plan.signature.outputs[at], rowsOf)?.length);
  if (given.every((width) => width !== undefined)) return given;
  // No row was accepted: a row of zeros tells the shape; its scores are thrown away.
  const zeros = await runner.run(zeroRow(plan), 1);
  if (zeros.kind !== "ran")
    throw new Error(`no row was taken, and nothing tells the shape of the scores: ${reasonOf(zeros)}`);
  return given.map((width, at) => width ?? zeros.outputs[at]?.data.length ?? 0);
}

type Output = ModelSignature["outputs"][number];

/** Undefined: the model leaves it open. */
function declaredWidth({ shape }: Output): number | undefined {
  const [rows = 1, ...row] = shape;
  return row.includes(-1) ? undefined : elementsOf(row) * (rows === -1 ? 1 : rows);
}

function firstRowOf(output: Output | undefined, rowsOf: OutputRows): readonly unknown[] | undefined {
  return rowsOf.get(output?.name ?? "")?.find((row) => row !== none);
}

async function rowsAreApart(
  runner: RowRunner,
  plan: InputPlan,
  table: Columns,
  places: readonly number[],
): Promise<boolean> {
  if (plan.inputs.some(({ spec }) => spec.shape[0] !== -1) || places.length < 2) return false;
  const together = await runner.run(tensorsOfRows(plan, table, places), places.length);
  if (together.kind === "late")
    return rowsAreApart(runner, plan, table, places.slice(0, Math.ceil(places.length / 2)));
  if (together.kind === "refused") {
    const taken = await takenAlone(runner, plan, table, places);
    // Each is taken alone and all together are not: rows of one run are not as rows of their own.
    return taken.length < places.length && rowsAreApart(runner, plan, table, taken);
  }
  for (const [at, place] of places.entries()) {
    const alone = await runner.run(tensorsOfRows(plan, table, [place]), 1);
    if (alone.kind !== "ran") return false;
    const isSame = together.outputs.every((output, i) => {
      const own = alone.outputs[i];
      const [a, b] = [rowOf(output, at, places.length), own ? rowOf(own, 0, 1) : []];
      return a.length === b.length && a.every((value, cell) => Object.is(value, b[cell]));
    });
    if (!isSame) return false;
  }
  return true;
}

/** A row that is refused says nothing of the others. */
async function takenAlone(
  runner: RowRunner,
  plan: InputPlan,
  table: Columns,
  places: readonly number[],
): Promise<number[]> {
  const taken: number[] = [];
  for (const place of places)
    if ((await runner.run(tensorsOfRows(plan, table, [place]), 1)).kind === "ran") taken.push(place);
  return taken;
}

function rowOf({ name, datatype, data }: Tensor, row: number, rows: number): unknown[] {
  const width = data.length / rows;
  if (!Number.isInteger(width))
    throw new Error(`the output "${name}" has ${data.length} values for ${rows} rows`);
  return Array.from({ length: width }, (_, column) => {
    const value = data[row * width + column];
    return datatype === "FP16" ? halfNumber(Number(value)) : value;
  });
}
