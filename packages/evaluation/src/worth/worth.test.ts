import type { KpiTerms } from "@portolan/charter/contract";
import { expect, test } from "vitest";
import { binaryMetrics } from "../binary-metrics.ts";
import { judgeGates } from "../gates.ts";
import { judgeTextGates, textMetrics } from "../text/text-gates.ts";
import { emptyTally } from "../text/text-tally.ts";
import type { MeasuredCompute } from "./contract.ts";
import { measureKpis } from "./measure-kpis.ts";
import { judgeBudget, judgeKpis } from "./worth-gates.ts";

const labels = Uint8Array.from({ length: 60 }, (_, row) => Number(row % 3 === 0));
const scores = Float64Array.from({ length: 60 }, (_, row) => (row % 3 === 0 ? 0.6 : 0.1) + (row % 7) * 0.08);
const cost = Float64Array.from({ length: 60 }, (_, row) => 100 + row);
const rows = { scores, labels };
const costs = [{ kind: "numbers", column: "cost", values: cost }] as const;

const saved: KpiTerms = {
  name: "saved",
  columns: { cost: "number" },
  sums: { kept: "if(decided and actual, cost, 0.0)" },
  value: "(kept - 20 * false_positives) / rows",
  unit: "EUR",
  kind: "floor",
  bound: 10,
  heldBy: "interval",
};

test("a KPI is what its own expressions say of the decisions at one half, with an interval around it", () => {
  let worth = 0;
  for (const [row, score] of scores.entries()) {
    if (score < 0.5) continue;
    worth += labels[row] === 1 ? (cost[row] ?? 0) : -20;
  }
  const [found] = measureKpis(rows, costs, [saved]);
  expect(found?.value).toBeCloseTo(worth / 60, 10);
  expect(found?.interval).toMatchObject({ method: "bca" });
  expect(found?.interval?.low).toBeLessThan(worth / 60);
  expect(found?.interval?.high).toBeGreaterThan(worth / 60);
  expect(found?.sums?.["kept"]).toBeGreaterThan(0);
});

test("a KPI over counts alone is the metric that those counts make", () => {
  const value = "true_positives / (true_positives + false_positives)";
  const [found] = measureKpis(rows, [], [{ ...saved, columns: {}, sums: {}, value }]);
  expect(found?.value).toBeCloseTo(binaryMetrics(rows).values["precision"] ?? 0, 12);
});

test("texts are read as texts, and a column that is not there, or of another kind, is a problem", () => {
  const ward = { kind: "texts", column: "ward", codes: labels, texts: ["a", "b"] } as const;
  const byWard = {
    ...saved,
    columns: { ward: "text" as const },
    sums: { b: "if(ward = 'b', 1, 0)" },
    value: "b",
  };
  expect(
    measureKpis(rows, [Object.assign({}, ward, { codes: Uint32Array.from(labels) })], [byWard])[0]?.value,
  ).toBe(20);
  expect(measureKpis(rows, [], [saved])[0]).toMatchObject({ problem: "the rows have no column cost" });
  expect(measureKpis(rows, costs, [{ ...saved, columns: { cost: "text" } }])[0]).toMatchObject({
    problem: "cost is number, and the KPI takes it as text",
  });
});

test("rows without a value are told and not counted as nothing", () => {
  const gaps = [{ ...costs[0], values: cost.with(3, Number.NaN).with(0, Number.NaN) }];
  const [found] = measureKpis(rows, gaps, [{ ...saved, sums: { kept: "cost" }, value: "kept" }]);
  expect(found?.value).toBeUndefined();
  expect(found?.problem).toContain("kept has no value on 2 of 60 rows");
});

test("an expression that divides by zero on some resamples has no interval, and on all rows no value", () => {
  const few = { labels, scores: scores.map((score, row) => (row === 0 ? 0.9 : Math.min(score, 0.4))) };
  const precision = {
    ...saved,
    columns: {},
    sums: {},
    value: "true_positives / (true_positives + false_positives)",
  };
  const [found] = measureKpis(few, [], [precision]);
  expect(found).toMatchObject({ value: 1, problem: expect.stringContaining("resamples") as string });
  expect(found?.interval).toBeUndefined();
  const none = { labels, scores: scores.map(() => 0.1) };
  expect(measureKpis(none, [], [precision])[0]).toMatchObject({
    problem: expect.stringContaining("no value") as string,
  });
});

test("the worse end of the interval keeps the bound, or the value where the charter says so (G14)", () => {
  const measured = measureKpis(rows, costs, [saved]);
  const { value = 0, interval } = measured[0] ?? {};
  const bound = ((interval?.low ?? 0) + value) / 2;
  expect(judgeKpis(measured, [{ ...saved, bound }])[0]?.passed).toBe(false);
  expect(judgeKpis(measured, [{ ...saved, bound, heldBy: "value" }])[0]?.passed).toBe(true);
  expect(judgeKpis(measured, [{ ...saved, bound: interval?.low ?? 0 }])[0]?.passed).toBe(true);
  expect(judgeKpis(measured, [{ ...saved, kind: "ceiling", bound: value }])[0]?.passed).toBe(false);
  expect(judgeKpis(measured, undefined)).toEqual([]);
});

test("a figure that was made by other expressions, or never, fails (G14)", () => {
  const measured = measureKpis(rows, costs, [saved]);
  const other = { ...saved, bound: -1e9, value: "kept" };
  expect(judgeKpis(measured, [other])[0]).toMatchObject({
    passed: false,
    observed: expect.stringContaining("other expressions") as string,
  });
  expect(judgeKpis(undefined, [saved])[0]).toMatchObject({ gate: "kpis", passed: false });
});

const compute: MeasuredCompute = {
  profile: "sha256:00",
  runtime: "onnxruntime-node 1.30.0",
  cpu: "a processor",
  cores: 2,
  loadAverage: 0.1,
  runs: 500,
  p50Micros: 900,
  p95Micros: 2000,
  cpuMicros: 1000,
  modelBytes: 5000,
  peakBytes: 90_000,
};

test("the model's own p95 and the load that machines take are held against the charter (G13)", () => {
  const latency = { p95Ms: 2, requestsPerSecond: 2000, machines: 1 };
  const judged = (more: object) => judgeBudget(compute, { latency: { ...latency, ...more } })[0]?.passed;
  expect(judged({})).toBe(true);
  expect(judged({ p95Ms: 1.99 })).toBe(false);
  expect(judged({ requestsPerSecond: 2001 })).toBe(false);
  expect(judged({ requestsPerSecond: 2001, machines: 2 })).toBe(true);
});

test("file and memory are held against their bounds, and what was not measured fails (G13)", () => {
  const judged = (terms: object) => judgeBudget(compute, terms)[0];
  expect(judged({ modelBytes: 5000, memoryBytes: 90_000 })).toMatchObject({
    gate: "size-budget",
    passed: true,
  });
  expect(judged({ modelBytes: 4999 })?.passed).toBe(false);
  expect(judged({ modelBytes: 5000, memoryBytes: 1 })?.passed).toBe(false);
  const latency = { p95Ms: 2, requestsPerSecond: 1, machines: 1 };
  const unmeasured = judgeBudget(undefined, { latency, modelBytes: 1 });
  expect(unmeasured.map(({ gate, passed }) => [gate, passed])).toEqual([
    ["latency-budget", false],
    ["size-budget", false],
  ]);
  expect(judgeBudget(compute, undefined)).toEqual([]);
});

test("a charter with these members judges rows by them, and releases no text", () => {
  const accuracy = { metric: "accuracy", kind: "floor", value: 0.5, below: "alert" } as const;
  const terms = { accuracy, kpis: [saved], modelBudget: { modelBytes: 1 } };
  const metrics = { ...binaryMetrics(rows), kpis: measureKpis(rows, costs, [saved]), compute };
  const heldOut = { shown: true, because: "later" };
  const names = judgeGates({ metrics, heldOut }, terms).map(({ gate }) => gate);
  expect(names.slice(3)).toEqual(["size-budget", "kpis"]);
  const tally = { ...emptyTally, cases: 1, passed: 1, answered: 1 };
  const text = judgeTextGates({ metrics: textMetrics(tally), heldOut }, terms);
  expect(text.slice(2).map(({ gate, passed }) => [gate, passed])).toEqual([
    ["size-budget", false],
    ["kpis", false],
  ]);
});
