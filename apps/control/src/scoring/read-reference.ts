import { type Columns, type FilledInput, readAs } from "./model-inputs.ts";
import { quotedName, quotedText, withDuckDb } from "./read-table.ts";

/** Rows times columns that are looked at: half a gigabyte while they are read. Larger sets are thinned out evenly. */
const mostValues = 10_000_000;
const mostRows = 250_000;

export interface ReferenceRows {
  readonly table: Columns;
  readonly rows: number;
  readonly rowsOfSet: number;
  /** 1: all of them. */
  readonly sampledEvery: number;
}

/** The rows of a training set that a model is held against, in their order: all columns that fill its inputs, of every k-th row. @throws Error when there are none */
export async function readReference(
  datasetPath: string,
  inputs: readonly FilledInput[],
): Promise<ReferenceRows> {
  const source = `read_parquet(${quotedText(datasetPath)}, file_row_number = true)`;
  const width = inputs.reduce((sum, { columns }) => sum + columns.length, 0);
  return withDuckDb(async (ask) => {
    const counted = await ask(`select count(*)::integer as n from ${source}`);
    const rowsOfSet = Number(counted.columns.get("n")?.[0] ?? 0);
    const most = Math.max(1, Math.min(mostRows, Math.floor(mostValues / width)));
    const sampledEvery = Math.max(1, Math.ceil(rowsOfSet / most));
    const columns = inputs.flatMap(({ spec, columns: names }) =>
      names.map((name) => `${readAs(spec, quotedName(name))} as ${quotedName(name)}`),
    );
    const { columns: table, rows } = await ask(
      `select ${columns.join(", ")} from ${source} where file_row_number % ${sampledEvery} = 0 order by file_row_number`,
    );
    if (rows === 0) throw new Error("the reference data has no rows");
    return { table, rows, rowsOfSet, sampledEvery };
  });
}
