import { expect, test } from "vitest";
import { modelOrder, parseModelFilter } from "./model-filter.ts";
import type { StoredModel } from "./model-store.ts";

function aModel(name: string, auc?: number, more: Partial<StoredModel["row"]> = {}): StoredModel {
  const point = { key: "auc", timestampMs: 1, step: 0, modelId: name, runId: "crn_1" };
  return {
    row: {
      id: name,
      run_id: "crn_1",
      organisation_id: "org_1",
      experiment_id: "uc_1-dev",
      name,
      model_type: null,
      status: "LOGGED_MODEL_READY",
      params: [{ key: "depth", value: "3" }],
      tags: [],
      created_at: 5_000_000,
      updated_at: 6_000_000,
      deleted_at: null,
      ...more,
    },
    metrics: auc === undefined ? [] : [{ ...point, value: auc, datasetName: "holdout", datasetDigest: "d1" }],
  };
}

const models = [aModel("a", 0.7), aModel("b", 0.9, { tags: [{ key: "team", value: "x" }] }), aModel("c")];
const named = (filter: string, datasets: Parameters<typeof parseModelFilter>[1] = []) =>
  models.filter(parseModelFilter(filter, datasets)).map(({ row }) => row.name);

test("a filter holds models to attributes, parameters, tags and metrics", () => {
  expect(named("")).toEqual(["a", "b", "c"]);
  expect(named("name = 'a'")).toEqual(["a"]);
  expect(named("attributes.name IN ('a', 'c') AND params.depth = '3'")).toEqual(["a", "c"]);
  expect(named("metrics.auc > 0.8")).toEqual(["b"]);
  expect(named("metrics.auc > 0 AND name LIKE '%'", [{ name: "other" }])).toEqual([]);
  expect(named("metrics.`auc` <= 0.7", [{ name: "holdout", digest: "d1" }])).toEqual(["a"]);
  expect(named("tags.team != 'x'")).toEqual(["a", "c"]);
  expect(named("creation_timestamp >= 5000 and source_run_id = 'crn_1' and status = 'READY'")).toHaveLength(
    3,
  );
  for (const bad of [
    "colour = 'red'",
    "name > 'a'",
    "metrics.auc = 'x'",
    "name = a",
    "name = 'a' or name = 'b'",
  ])
    expect(() => named(bad), bad).toThrow();
});

test("an order puts what lacks the value last, in both directions", () => {
  const sorted = (ascending: boolean) =>
    [...models].sort(modelOrder([{ field: "metrics.auc", ascending }])).map(({ row }) => row.name);
  expect(sorted(true)).toEqual(["a", "b", "c"]);
  expect(sorted(false)).toEqual(["b", "a", "c"]);
  expect(() => modelOrder([{ field: "colour", ascending: true }])).toThrow("no attribute");
});
