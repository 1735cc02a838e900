import type { AccuracyBound, ReleaseTerms } from "@portolan/charter/contract";
import {
  accuracyGate,
  type BinaryMetrics,
  baselineGate,
  type GateResult,
  type HeldOut,
  heldOutGate,
} from "./contract.ts";
import { judgeFairness, judgeSlices } from "./slices/slice-gates.ts";

/** What an evaluation found out: all that its gates are judged by, now and again at promotion. */
export interface Evidence {
  readonly metrics: BinaryMetrics;
  readonly heldOut: HeldOut;
}

/**
 * Release gates on one evaluation (docs/spec/promotion-gates.md, G1, G2, G7, G10 and G11). Pure: same evidence, same results.
 * What was not measured or not shown fails its gate; it is never assumed.
 */
export function judgeGates(
  { metrics, heldOut }: Evidence,
  { accuracy, slices, fairness }: Omit<ReleaseTerms, "challenger">,
): GateResult[] {
  const { metric } = accuracy;
  return [
    judgeAccuracy(metrics, accuracy),
    judgeRows(heldOut),
    judgeBaseline(metrics.baseline),
    ...judgeSlices(metrics.sliced, slices, metric, metrics.values[metric]),
    ...judgeFairness(metrics.fairness, fairness),
  ];
}

/** G7: rows that the model may have learned from say nothing of how good it is. */
function judgeRows({ shown, because }: HeldOut): GateResult {
  return {
    gate: heldOutGate,
    passed: shown,
    observed: because,
    required: "rows that the model cannot have learned from",
  };
}

/** G1: for ROC AUC the lower end of the 95 % interval must reach the floor; other metrics are held by their value. */
function judgeAccuracy(metrics: BinaryMetrics, bound: AccuracyBound): GateResult {
  const required = `${bound.metric} ${bound.kind === "floor" ? ">=" : "<="} ${bound.value}`;
  const value = metrics.values[bound.metric];
  if (value === undefined) {
    return { gate: accuracyGate, passed: false, observed: `${bound.metric} was not measured`, required };
  }
  if (bound.metric === "roc_auc") {
    const { low, high } = metrics.rocAucInterval;
    const observed = `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
    return {
      gate: accuracyGate,
      passed: low >= bound.value,
      observed,
      required: `${required} at the interval's lower end`,
    };
  }
  const passed = bound.kind === "floor" ? value >= bound.value : value <= bound.value;
  return { gate: accuracyGate, passed, observed: value.toFixed(4), required };
}

/** G2: the paired difference to the naive baseline must be positive with 95 % confidence. */
function judgeBaseline(baseline: BinaryMetrics["baseline"]): GateResult {
  const required = "ROC AUC above the baseline's with 95 % confidence";
  if (!baseline)
    return { gate: baselineGate, passed: false, observed: "the training set names no baseline", required };
  const { value, interval } = baseline.difference;
  return {
    gate: baselineGate,
    passed: interval.low > 0,
    observed:
      `+${value.toFixed(4)} [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}] over ${baseline.column}`.replace(
        "+-",
        "-",
      ),
    required,
  };
}
