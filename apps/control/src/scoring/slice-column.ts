import type { SliceValues } from "@portolan/evaluation";

/** A column with more different texts is a name of rows rather than of groups. */
export const mostTexts = 200;

/** The expression that reads a column of that type for slicing: numbers as numbers, all else as text. Pure. */
export function readAsSlice(quotedName: string, type: string): string {
  const isNumeric = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\))$/.test(type);
  return `cast(${quotedName} as ${isNumeric ? "double" : "varchar"})`;
}

/** A column that was read by `readAsSlice`; null is absent. Pure. */
export function sliceValues(column: string, values: readonly unknown[]): SliceValues {
  if (values.every((value) => value === null || typeof value === "number"))
    return { kind: "numbers", column, values: Float64Array.from(values, (value) => value ?? Number.NaN) };
  const places = new Map<string | null, number>();
  const codes = new Uint32Array(values.length);
  for (const [row, value] of values.entries()) {
    const text = typeof value === "string" ? value : null;
    const place = places.get(text) ?? places.size;
    places.set(text, place);
    codes[row] = place;
    if (places.size > mostTexts)
      return { kind: "unfit", column, reason: `the column has more than ${mostTexts} different texts` };
  }
  return { kind: "texts", column, codes, texts: [...places.keys()] };
}
