import { describe, expect, test } from "vitest";
import { parseOrdering, parseRunFilter } from "./run-filter.ts";

describe("a filter of runs", () => {
  test("is conditions joined by AND, in MLflow's spellings of names and texts", () => {
    expect(
      parseRunFilter(
        `metrics.auc > 0.8 AND params."learning rate" = '0.1' and tag.\`mlflow.source.name\` LIKE "%.py" and attr.status != 'FAILED'`,
      ),
    ).toEqual([
      { entity: "metric", key: "auc", op: ">", value: 0.8 },
      { entity: "param", key: "learning rate", op: "=", value: "0.1" },
      { entity: "tag", key: "mlflow.source.name", op: "like", value: "%.py" },
      { entity: "attribute", key: "status", op: "!=", value: "FAILED" },
    ]);
    expect(parseRunFilter("")).toEqual([]);
    expect(parseRunFilter("  created<=5 and metric.a.b>=-1.5e3")).toEqual([
      { entity: "attribute", key: "start_time", op: "<=", value: 5 },
      { entity: "metric", key: "a.b", op: ">=", value: -1500 },
    ]);
    expect(
      parseRunFilter("run_id NOT  IN ('a', \"b\") and tags.x IS  NOT NULL and params.y is null"),
    ).toEqual([
      { entity: "attribute", key: "run_id", op: "not in", values: ["a", "b"] },
      { entity: "tag", key: "x", op: "is not null" },
      { entity: "param", key: "y", op: "is null" },
    ]);
    // A word that stands in a text is none of the grammar's, and a quote is doubled.
    expect(parseRunFilter("params.a = 'x and y' and dataset.name = 'it''s'")).toEqual([
      { entity: "param", key: "a", op: "=", value: "x and y" },
      { entity: "dataset", key: "name", op: "=", value: "it's" },
    ]);
  });

  test.each([
    ["metrics.auc", "operator"],
    ["metrics.auc > '0.8'", "a number"],
    ["metrics.auc like 'x'", "is a number"],
    ["params.a > '1'", "compares numbers"],
    ["params.a = 1", "a text in quotes"],
    ["params.a = 'x' or params.b = 'y'", "AND"],
    ["params.a in ('x')", "for run_id and data sets"],
    ["colour = 'red'", 'no attribute "colour"'],
    ["dataset.rows = '1'", "name, digest, context"],
    ["run_id in ('a'", "end of the list"],
    ["status is null", "for params and tags"],
    ["params.a = 'x", "a text in quotes"],
    [`${"params.a = 'x' and ".repeat(101)}params.a = 'x'`, "more than 100"],
    ["x".repeat(10_001), "longer than"],
  ])("%s is refused, and why", (filter, why) => {
    expect(() => parseRunFilter(filter)).toThrow(
      expect.objectContaining({ detail: expect.stringContaining(why) }),
    );
  });
});

test("an order is a key with or without a direction", () => {
  expect(
    ["metrics.loss DESC", "params.`a b` asc", "attribute.start_time", "Created desc"].map(parseOrdering),
  ).toEqual([
    { entity: "metric", key: "loss", isDescending: true },
    { entity: "param", key: "a b", isDescending: false },
    { entity: "attribute", key: "start_time", isDescending: false },
    { entity: "attribute", key: "start_time", isDescending: true },
  ]);
  for (const bad of ["metrics.loss down", "dataset.name", ""]) expect(() => parseOrdering(bad)).toThrow();
});
