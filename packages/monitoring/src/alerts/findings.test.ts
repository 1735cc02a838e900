import { expect, test } from "vitest";
import type { SeriesFigures } from "../drift-figures.ts";
import type { PerformanceSeries, PerformanceVerdict } from "../performance/performance-schema.ts";
import { driftFinding } from "./drift-finding.ts";
import { performanceFinding } from "./performance-finding.ts";

const window = (verdict: PerformanceVerdict, value: number) => ({
  start: 0,
  end: 1,
  predictions: 100,
  maturity: 1,
  labels: 100,
  unreadable: 0,
  metrics: [{ metric: "accuracy", value, low: value - 0.1, high: value + 0.1, cases: 100 }],
  verdict,
  estimate: null,
});
const series = (
  windows: PerformanceSeries["windows"],
  over: Partial<PerformanceSeries> = {},
): PerformanceSeries => ({
  environment: "production",
  useCaseId: "uc_1",
  variant: "champion",
  model: "churn",
  version: "3",
  bound: { metric: "accuracy", kind: "floor", value: 0.7, below: "alert" },
  concept: null,
  windows,
  segments: [],
  ...over,
});
const conditionOf = (...of: Parameters<typeof series>) =>
  performanceFinding("churn", series(...of))?.condition;

test("the newest judged window decides; between missing and recovering nothing changes", () => {
  expect(conditionOf([window("misses", 0.5)])).toBe("firing");
  expect(conditionOf([window("misses", 0.5), window("immature", 0.9), window("too_few", 0.9)])).toBe(
    "firing",
  );
  expect(conditionOf([window("misses", 0.5), window("unclear", 0.65)])).toBe("unclear");
  expect(conditionOf([window("misses", 0.5), window("unclear", 0.75)])).toBe("recovered");
  expect(conditionOf([window("keeps", 0.85)])).toBe("recovered");
});

test("a ceiling is held from the other side", () => {
  const bound = { metric: "accuracy", kind: "ceiling", value: 0.7, below: "stop" } as const;
  expect(conditionOf([window("unclear", 0.75)], { bound })).toBe("unclear");
  expect(conditionOf([window("unclear", 0.65)], { bound })).toBe("recovered");
});

test("nothing is found without a bound or a judged window, nor of what answers nobody or stands in", () => {
  const misses = [window("misses", 0.5)];
  expect(conditionOf(misses, { bound: null })).toBeUndefined();
  expect(conditionOf([window("immature", 0.5)])).toBeUndefined();
  expect(conditionOf(misses, { variant: "shadow" })).toBeUndefined();
  expect(conditionOf(misses, { variant: "fallback" })).toBeUndefined();
});

test("keys tell versions, places and metrics apart, whatever their names hold", () => {
  const keyOf = (over: Partial<PerformanceSeries>) =>
    performanceFinding("churn", series([window("misses", 0.5)], over))?.key;
  const keys = [
    {},
    { version: "4" },
    { environment: "dev" } as const,
    { model: "a/b" },
    { model: "a", version: "b/3" },
    { useCaseId: null },
  ];
  expect(new Set(keys.map(keyOf)).size).toBe(keys.length);
});

test("drift of predictions fires; what could not be judged changes nothing", () => {
  const figures = (outputs: SeriesFigures["verdicts"]["outputs"]): SeriesFigures => ({
    series: {
      organisationId: "org_1",
      environment: "production",
      useCaseId: "uc_1",
      endpointId: "ep_1",
      endpoint: "churn",
      variant: "champion",
      model: "churn",
      version: 3,
      profile: "sha256:ab",
      newest: 0,
    },
    verdict: outputs,
    verdicts: { inputs: "drift", outputs, quality: "drift" },
    columns: { inputs: ["drift"], outputs: [outputs], quality: ["drift"] },
  });
  const verdicts = ["drift", "no_drift", "insufficient", "not_counted"] as const;
  expect(verdicts.map((verdict) => driftFinding(figures(verdict)).condition)).toEqual([
    "firing",
    "recovered",
    "unclear",
    "unclear",
  ]);
});
