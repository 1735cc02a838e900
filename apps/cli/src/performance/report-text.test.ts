import type { AlertView, PerformanceEstimate, PerformanceReport } from "@portolan/monitoring/contract";
import { expect, test } from "vitest";
import { alertTable } from "../commands/alert.ts";
import { hoursOf } from "../commands/performance.ts";
import { performanceText } from "./report-text.ts";

const metrics = [
  { metric: "roc_auc", value: 0.55, low: 0.51, high: 0.59, cases: 200 },
  { metric: "accuracy", value: 0.5, low: 0.4, high: 0.6, cases: 200 },
];
const report: PerformanceReport = {
  endpoint: "churn",
  asOf: 0,
  from: 0,
  to: 86_400_000_000,
  truncated: true,
  by: "plan",
  series: [
    {
      environment: "production",
      useCaseId: "uc_1",
      variant: "champion",
      model: "churn",
      version: "3",
      bound: { metric: "accuracy", kind: "floor", value: 0.7, below: "alert" },
      concept: null,
      windows: [
        {
          start: 0,
          end: 86_400_000_000,
          predictions: 250,
          maturity: 0.8,
          labels: 200,
          unreadable: 0,
          metrics,
          verdict: "misses",
          estimate: null,
        },
        {
          start: 0,
          end: 1,
          predictions: null,
          maturity: null,
          labels: 3,
          unreadable: 0,
          metrics: [],
          verdict: "too_few",
          estimate: null,
        },
      ],
      segments: [{ segment: "flat\u001b[2J", labels: 5, unreadable: 0, metrics: [], verdict: "too_few" }],
    },
  ],
};

test("a report names the bound, shows its metric first, and says what is missing and how to ask for the rest", () => {
  const text = performanceText(report);
  expect(text).toContain("production/churn, champion churn/3: the charter wants accuracy of at least 0.7");
  expect(text).toMatch(
    /250 +200 +80\.0 % +0\.500 \(0\.400 to 0\.600\) +0\.550 \(0\.510 to 0\.590\) +misses the bound/,
  );
  expect(text).toMatch(/\? +3 +\? +- +- +too few labels/);
  expect(text).toContain("ask for them with --to 1970-01-01T00:00:00Z");
  expect(text, "values of strangers cannot clear the screen").not.toContain("\u001b");
});

test("of a ranking the one figure that there is has a column, and no other", () => {
  const [series] = report.series;
  const [window] = series?.windows ?? [];
  if (!series || !window) throw new Error("the report has a series with a window");
  const ndcg = [{ metric: "ndcg_at_10", value: 0.8, low: 0.75, high: 0.85, cases: 200 }];
  const windows = [{ ...window, metrics: ndcg }];
  const text = performanceText({ ...report, series: [{ ...series, bound: null, windows, segments: [] }] });
  expect(text).toMatch(/mature +ndcg_at_10 +verdict\n/);
  expect(text).toMatch(/80\.0 % +0\.800 \(0\.750 to 0\.850\) +misses/);
});

test("a version that is wrong more often than in its reference is told so, with when it began", () => {
  const [series] = report.series;
  if (!series) throw new Error("the report has a series");
  const reference = {
    task: "binary",
    cases: 1200,
    wrong: 120,
    rate: 0.118,
    cutoff: null,
    calibration: null,
    from: 0,
    to: 0,
    isKept: true,
  } as const;
  const text = (state: "steady" | "drifted") =>
    performanceText({
      ...report,
      series: [
        {
          ...series,
          concept: {
            state,
            reference,
            cases: 600,
            wrong: 140,
            recent: { cases: 500, wrong: 125 },
            evidence: 2e6,
            bound: 1e6,
            since: state === "drifted" ? 60_000_000 : null,
            foundAt: state === "drifted" ? 90_000_000 : null,
          },
        },
      ],
    });
  expect(text("drifted")).toContain(
    "errors: concept drift since about 1970-01-01T00:01:00Z: 25.0 % of the newest 500 outcomes wrong, 10.0 % of 1200 in the reference",
  );
  expect(text("steady")).toContain("errors: no concept drift: 25.0 % of the newest 500");
  expect(performanceText(report)).toContain("errors: too few mature days for a reference");
});

test("what scores let expect stands beside what was measured, with why it is not to be trusted", () => {
  const [series] = report.series;
  const [window] = series?.windows ?? [];
  if (!series || !window) throw new Error("the report has a window");
  const estimate: PerformanceEstimate = {
    predictions: 250,
    metrics: [{ metric: "accuracy", value: 0.71, low: 0.66, high: 0.76 }],
    reliability: "unreliable",
    doubts: ["calibration_worse", "unseen_inputs"],
    outside: 0,
  };
  const text = performanceText({
    ...report,
    series: [{ ...series, windows: [{ ...window, estimate }] }],
  });
  expect(text).toContain("accuracy without labels");
  expect(text).toContain(
    "0.710 (0.660 to 0.760), unreliable: scores mean something else now, inputs that the reference has none of",
  );
  expect(performanceText(report)).not.toContain("without labels");
});

test("windows are whole hours up to a month", () => {
  expect(["1h", "24h", "7d", "31d"].map(hoursOf)).toEqual([1, 24, 168, 744]);
  for (const text of ["0h", "32d", "90min", "1.5h", ""])
    expect(() => hoursOf(text)).toThrow("no length of a window");
});

test("alerts say who was told, and until when they are silent", () => {
  const alert: AlertView = {
    id: "alr_1",
    key: "k",
    kind: "drift",
    environment: "production",
    useCaseId: null,
    endpoint: "churn",
    variant: "champion",
    model: "churn",
    version: "3",
    state: "open",
    summary: "it drifts",
    evidence: {},
    openedAt: 0,
    resolvedAt: null,
    resolvedBecause: null,
    silence: { until: 60_000_000, reason: "r", by: "usr_1" },
    deliveries: [
      { destination: "oncall", told: "open" },
      { destination: "chat", told: null, failure: "no answer" },
    ],
  };
  expect(alertTable([alert])).toMatch(
    /open, silent until 1970-01-01T00:01:00Z .*oncall \(open\), chat \(failed\) +it drifts/,
  );
});
