import type { Session } from "@portolan/onnx/session";
import type { InputPlan } from "@portolan/scoring/policy";
import type { Tensor } from "@portolan/serving/policy";
import type { Columns } from "../scoring/model-inputs.ts";
import { tensorsOfRows } from "./read-rows.ts";

/** Rows of one run, where rows of one run equal rows of their own. */
const mostRowsPerRun = 256;
/** Rows on which that is tried, each by itself and all together. */
const triedRows = 64;

export interface ScoredRows {
  /** Per output of the model, the values of each accepted row. */
  readonly outputs: ReadonlyMap<
    string,
    { readonly datatype: Tensor["datatype"]; readonly rows: unknown[][] }
  >;
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
  const outputs = new Map<string, { datatype: Tensor["datatype"]; rows: unknown[][] }>();
  const rowsPerRun = (await rowsAreApart(session, plan, table, places.slice(0, triedRows)))
    ? mostRowsPerRun
    : 1;
  for (let from = 0; from < places.length; from += rowsPerRun) {
    const some = places.slice(from, from + rowsPerRun);
    for (const output of await session.run(tensorsOfRows(plan, table, some))) {
      const kept = outputs.get(output.name) ?? { datatype: output.datatype, rows: [] };
      outputs.set(output.name, kept);
      for (let row = 0; row < some.length; row++) kept.rows.push(rowOf(output, row, some.length));
    }
  }
  return { outputs, rowsPerRun };
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

function rowOf({ name, data }: Tensor, row: number, rows: number): unknown[] {
  const width = data.length / rows;
  if (!Number.isInteger(width))
    throw new Error(`the output "${name}" has ${data.length} values for ${rows} rows`);
  return Array.from({ length: width }, (_, column) => data[row * width + column]);
}
