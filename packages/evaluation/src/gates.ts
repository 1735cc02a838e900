import type { AccuracyBound } from "@portolan/charter/contract";
import { accuracyGate, type BinaryMetrics, baselineGate, type GateResult } from "./contract.ts";

/**
 * Release gates on one evaluation (docs/spec/promotion-gates.md, G1 and G2). Pure: same metrics, same results.
 * A metric that was not measured fails its gate; it is never assumed.
 */
export function judgeGates(metrics: BinaryMetrics, bound: AccuracyBound): GateResult[] {
  const gates = [judgeAccuracy(metrics, bound)];
  if (metrics.baseline) gates.push(judgeBaseline(metrics.baseline));
  return gates;
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
function judgeBaseline(baseline: NonNullable<BinaryMetrics["baseline"]>): GateResult {
  const { value, interval } = baseline.difference;
  return {
    gate: baselineGate,
    passed: interval.low > 0,
    observed:
      `+${value.toFixed(4)} [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}] over ${baseline.column}`.replace(
        "+-",
        "-",
      ),
    required: "ROC AUC above the baseline's with 95 % confidence",
  };
}
