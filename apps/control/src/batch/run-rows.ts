import type { Session } from "@portolan/onnx/session";
import type { ModelSignature } from "@portolan/onnx-format";
import type { InputPlan } from "@portolan/scoring/policy";
import { elementsOf, halfNumber, type Tensor } from "@portolan/serving/policy";
import type { Columns } from "../scoring/model-inputs.ts";
import { tensorsOfRows, zeroRow } from "./read-rows.ts";

/** Rows of one run, where rows of one run equal rows of their own. */
const mostRowsPerRun = 256;
/** Rows on which that is tried, each by itself and all together. */
const triedRows = 64;

export interface ScoredOutput {
  readonly name: string;
  readonly datatype: Tensor["datatype"];
  /** Elements of a row. */
  readonly width: number;
  /** The values of each accepted row. */
  readonly rows: readonly (readonly unknown[])[];
}

export interface ScoredRows {
  /** In the model's order, also where no row was accepted. */
  readonly outputs: readonly ScoredOutput[];
  readonly rowsPerRun: number;
}

/**
 * Runs the model over rows. Kernels for one row and for many may round differently: where the first rows differ in any bit, every row
 * is run by itself, as a client that asks for it would get it.
 */
export async function runRows(
  session: Session,
  plan: InputPlan,
  table: Columns,
  places: readonly number[],
): Promise<ScoredRows> {
  const rowsOf = new Map<string, unknown[][]>(plan.signature.outputs.map(({ name }) => [name, []]));
  const rowsPerRun = (await rowsAreApart(session, plan, table, places.slice(0, triedRows)))
    ? mostRowsPerRun
    : 1;
  for (let from = 0; from < places.length; from += rowsPerRun) {
    const some = places.slice(from, from + rowsPerRun);
    for (const output of await session.run(tensorsOfRows(plan, table, some))) {
      const kept = rowsOf.get(output.name);
      for (let row = 0; row < some.length; row++) kept?.push(rowOf(output, row, some.length));
    }
  }
  const widths = await widthsOf(session, plan, rowsOf);
  const outputs = plan.signature.outputs.map(({ name, datatype }, at) => {
    const [width = 0, rows = []] = [widths[at], rowsOf.get(name)];
    const other = rows.find((row) => row.length !== width);
    if (other)
      throw new Error(
        `the output "${name}" has ${width} values for some rows and ${other.length} for others`,
      );
    return { name, datatype, width, rows };
  });
  return { outputs, rowsPerRun };
}

/** Elements of a row of each output: what the model declares, or where it leaves them open, what it gives. */
async function widthsOf(
  session: Session,
  plan: InputPlan,
  rowsOf: ReadonlyMap<string, readonly (readonly unknown[])[]>,
): Promise<number[]> {
  const declared = plan.signature.outputs.map(declaredWidth);
  const given = declared.map((width, at) => width ?? firstRowOf(plan.signature.outputs[at], rowsOf)?.length);
  if (given.every((width) => width !== undefined)) return given;
  // No row was accepted: a row of zeros tells the shape; its scores are thrown away.
  const zeros = await session.run(zeroRow(plan));
  return given.map((width, at) => width ?? zeros[at]?.data.length ?? 0);
}

type Output = ModelSignature["outputs"][number];

/** Undefined: the model leaves it open. */
function declaredWidth({ shape }: Output): number | undefined {
  const [rows = 1, ...row] = shape;
  return row.includes(-1) ? undefined : elementsOf(row) * (rows === -1 ? 1 : rows);
}

function firstRowOf(
  output: Output | undefined,
  rowsOf: ReadonlyMap<string, readonly (readonly unknown[])[]>,
): readonly unknown[] | undefined {
  return rowsOf.get(output?.name ?? "")?.[0];
}

async function rowsAreApart(
  session: Session,
  plan: InputPlan,
  table: Columns,
  places: readonly number[],
): Promise<boolean> {
  if (plan.inputs.some(({ spec }) => spec.shape[0] !== -1) || places.length < 2) return false;
  const together = await session.run(tensorsOfRows(plan, table, places));
  for (const [at, place] of places.entries()) {
    const alone = await session.run(tensorsOfRows(plan, table, [place]));
    const isSame = together.every((output, i) => {
      const [a, b] = [rowOf(output, at, places.length), alone[i] ? rowOf(alone[i], 0, 1) : []];
      return a.length === b.length && a.every((value, cell) => Object.is(value, b[cell]));
    });
    if (!isSame) return false;
  }
  return true;
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
