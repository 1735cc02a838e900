import { expect, test } from "vitest";
import { mostTexts, readAsSlice, sliceValues } from "./slice-column.ts";

test("numbers of any width are read as numbers, all else as text", () => {
  for (const type of ["INTEGER", "BIGINT", "UTINYINT", "HUGEINT", "DOUBLE", "DECIMAL(18,3)"])
    expect(readAsSlice("x", type), type).toBe("cast(x as double)");
  for (const type of ["VARCHAR", "BOOLEAN", "TIMESTAMP", "INTERVAL", "STRUCT(a INTEGER)"])
    expect(readAsSlice("x", type), type).toBe("cast(x as varchar)");
});

test("what is absent among numbers is NaN", () => {
  expect(sliceValues("hub", [1, null, 3])).toEqual({
    kind: "numbers",
    column: "hub",
    values: Float64Array.of(1, Number.NaN, 3),
  });
});

test("texts are groups, in the order in which they come; rows without one are a group of their own", () => {
  expect(sliceValues("sex", ["f", "m", null, "f"])).toEqual({
    kind: "texts",
    column: "sex",
    codes: Uint32Array.of(0, 1, 2, 0),
    texts: ["f", "m", null],
  });
});

test("a column that names each row makes no groups", () => {
  const names = Array.from({ length: mostTexts + 1 }, (_, row) => `patient-${row}`);
  expect(sliceValues("patient", names)).toMatchObject({ kind: "unfit" });
  expect(sliceValues("patient", names.slice(1))).toMatchObject({ kind: "texts" });
});
