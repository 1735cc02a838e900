import { type AccuracyBound, isHeldByInterval, type ReleaseTerms } from "@portolan/charter/contract";
import {
  accuracyGate,
  baselineGate,
  type GateResult,
  type HeldOut,
  heldOutGate,
  type RowMetrics,
} from "./contract.ts";
import { judgeProbes } from "./probes/probe-gates.ts";
import { judgeFairness, judgeSlices } from "./slices/slice-gates.ts";
import { judgeFaithfulness } from "./text/judge/faithfulness.ts";
import { judgeBudget, judgeKpis } from "./worth/worth-gates.ts";

/** What an evaluation found out: all that its gates are judged by, now and again at promotion. */
export interface Evidence {
  readonly metrics: RowMetrics;
  readonly heldOut: HeldOut;
}

/**
 * Release gates on one evaluation (docs/spec/promotion-gates.md, G1, G2, G7, G10, G11 and G13 to G17). Pure: same evidence, same results.
 * What was not measured or not shown fails its gate; it is never assumed.
 */
export function judgeGates(
  { metrics, heldOut }: Evidence,
  terms: Omit<ReleaseTerms, "challenger">,
): GateResult[] {
  const { accuracy, slices, fairness, modelBudget, kpis, faithfulness } = terms;
  const { metric } = accuracy;
  return [
    judgeAccuracy(metrics, accuracy),
    judgeRows(heldOut),
    judgeBaseline(metrics.baseline),
    ...judgeSlices(metrics.sliced, slices, metric, metrics.values[metric]),
    ...judgeFairness(metrics.fairness, fairness),
    ...judgeBudget(metrics.compute, modelBudget),
    ...judgeKpis(metrics.kpis, kpis),
    ...judgeProbes(metrics, terms),
    // Rows have no answers to be judged: under such a charter only text is released.
    ...judgeFaithfulness(undefined, faithfulness),
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

/** G1: the worse end of the 95 % interval must keep the bound, or the value: for ROC AUC the interval unless the charter says otherwise. */
function judgeAccuracy(metrics: RowMetrics, bound: AccuracyBound): GateResult {
  const { metric, kind, value: limit } = bound;
  const required = `${metric} ${kind === "floor" ? ">=" : "<="} ${limit}`;
  const isKept = (value: number) => (kind === "floor" ? value >= limit : value <= limit);
  const value = metrics.values[metric];
  if (value === undefined)
    return { gate: accuracyGate, passed: false, observed: `${metric} was not measured`, required };
  if (!isHeldByInterval(bound))
    return { gate: accuracyGate, passed: isKept(value), observed: value.toFixed(4), required };
  const interval = metric === "roc_auc" ? metrics.rocAucInterval : metrics.intervals?.[metric];
  const atEnd = `${required} at the interval's ${kind === "floor" ? "lower" : "upper"} end`;
  if (!interval) {
    const observed = `${value.toFixed(4)} without an interval: evaluate again`;
    return { gate: accuracyGate, passed: false, observed, required: atEnd };
  }
  const { low, high } = interval;
  // A bootstrap of rows that are all right draws only such rows: it says nothing of chance, however few they are.
  if ("method" in interval && interval.method === "bca" && low === high) {
    const said = `${value.toFixed(4)}, and a bootstrap that has no width: the rows are too few, or all alike`;
    return { gate: accuracyGate, passed: false, observed: said, required: atEnd };
  }
  const observed = `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
  return {
    gate: accuracyGate,
    passed: isKept(kind === "floor" ? low : high),
    observed,
    required: atEnd,
  };
}

/** G2: the paired advantage over the naive baseline must be positive with 95 % confidence. */
function judgeBaseline(baseline: RowMetrics["baseline"]): GateResult {
  const required =
    baseline?.metric === undefined
      ? "ROC AUC above the baseline's with 95 % confidence"
      : `${baseline.metric} better than the baseline's with 95 % confidence`;
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
