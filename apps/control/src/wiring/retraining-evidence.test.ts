import type { DriftReport, PerformanceWindow } from "@portolan/monitoring/contract";
import { describe, expect, test } from "vitest";
import { accuracyWindow, conceptOf, driftOf, isOf } from "./retraining-evidence.ts";

const window: PerformanceWindow = {
  start: 7,
  end: 8,
  predictions: 100,
  maturity: 0.9,
  labels: 90,
  unreadable: 0,
  metrics: [
    { metric: "accuracy", value: 0.9, low: 0.8, high: 0.95, cases: 90 },
    { metric: "roc_auc", value: 0.6, low: 0.5, high: 0.7, cases: 90 },
  ],
  verdict: "misses",
  estimate: null,
};

describe("what retraining takes from monitoring", () => {
  test("a mature window says what the charter's metric was; one that is not judged says nothing", () => {
    const said = { start: 7, value: 0.6, low: 0.5, high: 0.7, labels: 90 };
    for (const verdict of ["misses", "keeps", "unclear"] as const)
      expect(accuracyWindow({ ...window, verdict }, "roc_auc")).toEqual([said]);
    for (const verdict of ["immature", "too_few", "not_measured", "no_bound"] as const)
      expect(accuracyWindow({ ...window, verdict }, "roc_auc")).toEqual([]);
    expect(accuracyWindow(window, "f1")).toEqual([]);
  });

  test("concept drift is told with its rates and its begin; a steady version, and one without a reference, tell nothing", () => {
    const reference = {
      task: "binary",
      cases: 1000,
      wrong: 100,
      rate: 0.12,
      cutoff: null,
      calibration: null,
      from: 0,
      to: 1,
      isKept: true,
    } as const;
    const drifted = {
      state: "drifted",
      reference,
      cases: 900,
      wrong: 180,
      recent: { cases: 500, wrong: 125 },
      evidence: 2e6,
      bound: 1e6,
      since: 0,
      foundAt: 1,
    } as const;
    expect(conceptOf(drifted)).toEqual({
      hasDrifted: true,
      evidence: { wrongInReference: 0.1, wrongRecently: 0.25, wrongSince: "1970-01-01T00:00:00Z" },
    });
    for (const none of [{ ...drifted, state: "steady" } as const, null])
      expect(conceptOf(none)).toEqual({ hasDrifted: false, evidence: {} });
  });

  test("a shadow, another version and another environment are not the champion", () => {
    const champion = {
      endpoint: "churn",
      environment: "production",
      useCaseId: "uc_1",
      businessUnitId: "bu_1",
      teamId: null,
      model: "churn",
      version: 2,
    } as const;
    const series = { environment: "production", variant: "champion", model: "churn", version: 2 } as const;
    expect(isOf(champion, series)).toBe(true);
    for (const other of [{ variant: "shadow" }, { version: 1 }, { environment: "staging" } as const])
      expect(isOf(champion, { ...series, ...other })).toBe(false);
  });

  test("drift of inputs or predictions counts, of the shares of odd values alone it does not", () => {
    const report = (inputs: DriftReport["verdict"], outputs: DriftReport["verdict"]): DriftReport => ({
      environment: "production",
      endpoint: "churn",
      variant: "champion",
      model: "churn",
      version: 2,
      profile: "sha256:00",
      verdict: "drift",
      verdicts: { inputs, outputs, quality: "drift" },
      referenceRows: 1,
      windows: [],
      inputs: [],
      outputs: [],
      skipped: [],
    });
    expect(driftOf(report("drift", "no_drift")).finding).toBe("drift");
    expect(driftOf(report("insufficient", "drift")).finding).toBe("drift");
    expect(driftOf(report("no_drift", "insufficient")).finding).toBe("no_drift");
    expect(driftOf(report("insufficient", "not_counted")).finding).toBe("unclear");
  });
});
