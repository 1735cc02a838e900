import type { ReferenceProfile } from "@portolan/monitoring/contract";
import { cellCount, numericReference, splitCounts, windowMicros } from "@portolan/monitoring/policy";
import type { FeaturePlan } from "@portolan/serving/contract";
import type { Tensor, UsedFeature } from "@portolan/serving/policy";
import { expect, test } from "vitest";
import { CountBudget } from "./count-budget.ts";
import { bytesOfCells } from "./counted-part.ts";
import { DriftSeries, type SeriesKey } from "./drift-series.ts";

const inputs = [0, 1].map((column) =>
  numericReference({ tensor: "x", column, name: `x.${column}` }, [1, 2, 3]),
);
const profile: ReferenceProfile = {
  format: 1,
  model: { name: "m", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"ab".repeat(32)}`, rows: 3, sampledEvery: 1 },
  rows: 3,
  inputs,
  outputs: [],
  skipped: [],
};
const key: SeriesKey = {
  environment: "dev",
  useCaseId: "uc_1",
  endpointId: "ep_1",
  endpoint: "e",
  variant: "champion",
  model: "m",
  version: 1,
  profile: `sha256:${"cd".repeat(32)}`,
};
/** Room for so many windows. */
const budget = (windows = 1000, onFilling = () => undefined as void) =>
  new CountBudget(windows * bytesOfCells(cells), onFilling);
const cells = inputs.reduce((sum, column) => sum + cellCount(column), 0);
const x = (...data: number[]): Tensor => ({
  name: "x",
  datatype: "FP32",
  shape: [data.length / 2, 2],
  data: Float32Array.from(data),
});
const seen = (at: number, ...data: number[]) => ({ inputs: [x(...data)], outputs: [], used: [], at });

test("rows go to the window of their own event time, however late they come", () => {
  const series = new DriftSeries(key, profile, null, budget());
  series.count(seen(windowMicros, 1, 2), 1);
  series.count(seen(5 * windowMicros + 1, 1, 2, 2, 2), 1);
  series.count(seen(2 * windowMicros - 1, 3, 3), 1);
  const parts = series.drain();
  expect(parts.map(({ windowStart, rows }) => [windowStart, rows])).toEqual([
    [windowMicros, 2],
    [5 * windowMicros, 2],
  ]);
  expect(series.drain()).toEqual([]);
});

test("callers who state times all over the past take no more memory than there is; what is not counted is said", () => {
  let calls = 0;
  const room = budget(10, () => void calls++);
  const series = new DriftSeries(key, profile, null, room);
  const counted = Array.from({ length: 500 }, (_, at) => series.count(seen(at * windowMicros, 1, 1), 1));
  expect(counted.reduce((sum, rows) => sum + rows, 0)).toBe(10);
  expect(room.uncountedRows).toBe(490);
  expect(calls, "it is time to write down from the sixth window on").toBe(5);
  expect(series.count(seen(3 * windowMicros, 1, 1), 1), "windows that are there count on").toBe(1);
  const parts = series.drain();
  expect(parts.map(({ rows }) => rows)).toEqual([1, 1, 1, 2, 1, 1, 1, 1, 1, 1]);
  for (const { counts } of parts) room.release(bytesOfCells(counts.length));
  expect(series.count(seen(99 * windowMicros, 1, 1), 1)).toBe(1);
});

test("what was counted at one rate of sampling is not mixed with another", () => {
  const series = new DriftSeries(key, profile, null, budget());
  series.count(seen(0, 1, 1), 1);
  series.count(seen(0, 1, 1), 4);
  series.count(seen(0, 1, 1), 4);
  expect(series.drain().map(({ oneIn, rows }) => [oneIn, rows])).toEqual([
    [1, 1],
    [4, 2],
  ]);
});

test("a stand-in of the plan is counted as absent, in the column that the plan fills with it", () => {
  const from = (name: string) => ({ kind: "request" as const, name });
  const plan: FeaturePlan = {
    service: "s",
    entityKeys: ["id"],
    views: [],
    columns: [
      { input: "x", index: 1, from: from("b"), missing: null },
      { input: "x", index: 0, from: from("a"), missing: 0 },
    ],
    maxAgeMs: null,
  };
  const series = new DriftSeries(key, profile, plan, budget());
  const feature = (name: string, source: UsedFeature["source"]): UsedFeature => ({ name, value: 1, source });
  const used = [
    feature("b", "online"),
    feature("a", "default"),
    feature("b", "stale"),
    feature("a", "online"),
  ];
  series.count({ inputs: [x(1, 2, 1, 2)], outputs: [], used, at: 0 }, 1);
  const [a, b] = splitCounts(inputs, [...(series.drain()[0]?.counts ?? [])]);
  const [one, two, absent] = [1, 2, 5];
  expect([a?.counts[one], a?.counts[absent]]).toEqual([1, 1]);
  expect([b?.counts[two], b?.counts[absent]]).toEqual([1, 1]);
});
