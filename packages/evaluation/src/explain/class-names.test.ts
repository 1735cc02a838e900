import { expect, test } from "vitest";
import { answeredRows, classNamesOf } from "./class-names.ts";

const names = ["setosa", "versicolor", "virginica"];

test("classes that a model numbers have the charter's names; what is no place has none", () => {
  expect(classNamesOf(names, { decided: "1", target: "2" })).toEqual({
    names: { decided: "versicolor", target: "virginica" },
  });
  expect(classNamesOf(names, { target: "0" })).toEqual({ names: { target: "setosa" } });
  expect(classNamesOf(names, { decided: "versicolor", target: "value" })).toEqual({});
  expect(classNamesOf(names, { decided: "3", target: "-1" })).toEqual({});
  expect(classNamesOf([], { decided: "1", target: "1" })).toEqual({});
});

test("a class that is called by a number is not taken for the one at that place", () => {
  expect(classNamesOf(["3", "5", "7"], { decided: "3", target: "2" })).toEqual({ names: { target: "7" } });
});

test("an answer says how many rows it is of, in either protocol", () => {
  expect(answeredRows(JSON.stringify({ outputs: [{ shape: [12, 1] }] }))).toBe(12);
  expect(answeredRows(JSON.stringify({ predictions: [1, 2, 3] }))).toBe(3);
  for (const silent of [
    {},
    { outputs: [] },
    { outputs: [{ shape: [] }] },
    { outputs: [{ shape: [-1] }] },
    null,
  ])
    expect(answeredRows(JSON.stringify(silent)), JSON.stringify(silent)).toBeUndefined();
  expect(answeredRows("\u0000binary")).toBeUndefined();
});
