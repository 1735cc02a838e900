import { expect, test } from "vitest";
import { relevancesFrom } from "./relevances-from.ts";

const form = (fields: Readonly<Record<string, string>>) => (name: string) => fields[name] ?? "";

test("relevances are read from a field for each row, or from one line", () => {
  expect(relevancesFrom(3, form({ "row-1": "0", "row-2": " 2.5 ", "row-3": "1" }))).toEqual([0, 2.5, 1]);
  for (const value of ["[0, 2, 1]", "0,2,1", " [0,2,1] "])
    expect(relevancesFrom(3, form({ value }))).toEqual([0, 2, 1]);
});

test("a row without a number from 0 on is told, not taken for 0", () => {
  for (const fields of [
    { "row-1": "1" },
    { "row-1": "1", "row-2": "-1" },
    { "row-1": "1", "row-2": "much" },
    { value: "[1, ]" },
    { value: "1" },
  ])
    expect(() => relevancesFrom(2, form(fields))).toThrow("oversight.bad_value");
});
