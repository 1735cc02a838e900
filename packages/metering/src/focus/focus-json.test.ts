import { expect, test } from "vitest";
import { focusColumns, focusType } from "./focus-columns.ts";
import { focusJson } from "./focus-json.ts";
import { readTableJson } from "./read-table-json.ts";

test("a row becomes an object of all columns: decimals keep each digit, key-value columns are objects, nothing is null", () => {
  const cells: Readonly<Record<string, string>> = {
    BilledCost: "12345678901234567.123456789012345678",
    ListCost: "-0.27",
    ChargePeriodStart: "2026-11-01T00:00:00Z",
    ServiceName: 'a "quoted" name,\nwith a line',
    Tags: '{"team":"risk"}',
    SubAccountName: "",
  };
  const row = focusColumns.map((column) => cells[column] ?? null);
  const text = focusJson({ columns: focusColumns, rows: [row, focusColumns.map(() => null)] });
  expect(text).toContain('"BilledCost": 12345678901234567.123456789012345678,');
  const [found, empty] = JSON.parse(text) as Record<string, unknown>[];
  expect(Object.keys(found ?? {})).toEqual([...focusColumns]);
  expect(found).toMatchObject({
    ListCost: -0.27,
    ChargePeriodStart: "2026-11-01T00:00:00Z",
    ServiceName: 'a "quoted" name,\nwith a line',
    Tags: { team: "risk" },
    SubAccountName: "",
    RegionId: null,
  });
  expect(Object.values(empty ?? {}).every((value) => value === null)).toBe(true);
});

test("what FOCUS types as decimal or instant is what its name says", () => {
  for (const column of focusColumns) {
    const type = focusType(column);
    expect(type === "decimal", column).toBe(/(?:Cost|Price|(?<!Exact)Quantity)$/.test(column));
    expect(type === "instant", column).toBe(/Period(?:Start|End)$/.test(column));
  }
});

test("what was written is read again to the same cells, with each digit; what is no table is none", () => {
  const cells: Readonly<Record<string, string>> = {
    BilledCost: "12345678901234567.123456789012345678",
    ServiceName: 'a "quoted" name',
    Tags: '{"team":"risk","share":0.10}',
    SubAccountName: "",
  };
  const most = { rows: 1000, columns: 100 };
  const rows = [focusColumns.map((column) => cells[column] ?? null)];
  expect(readTableJson(focusJson({ columns: focusColumns, rows }), most)).toEqual({
    columns: focusColumns,
    rows,
  });
  // Of rows with other names all are columns.
  expect(readTableJson('[{"a": 1.50}, {"b": true, "a": null}]', most)).toEqual({
    columns: ["a", "b"],
    rows: [
      ["1.50", null],
      [null, "true"],
    ],
  });
  const deep = `[{"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}]`;
  const wrong = ["{}", "[1]", "[[]]", "[null]", '["a"]', "[{", deep].map((text) => readTableJson(text, most));
  expect(wrong).toEqual(Array(7).fill("it is no JSON array with an object for each row"));
  // A column of its own in each row would be a square of cells.
  const wide = JSON.stringify(Array.from({ length: 200 }, (_, at) => ({ [`c${at}`]: 1 })));
  expect(readTableJson(wide, most)).toBe("it has more than 100 columns");
  expect(readTableJson(wide, { rows: 100, columns: 500 })).toBe("it has more than 100 rows");
});
