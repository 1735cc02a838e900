import { expect, test } from "vitest";
import { focusColumns, focusType } from "./focus-columns.ts";
import { focusJson } from "./focus-json.ts";

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
