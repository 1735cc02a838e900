import type {
  Evaluation,
  KpiValue,
  MeasuredCompute,
  RowMetrics,
  SliceReport,
} from "@portolan/evaluation/contract";
import { table } from "../output.ts";
import { classCalibrationText } from "./class-calibration-text.ts";
import { fairnessText } from "./fairness-text.ts";
import { probesText } from "./probes-text.ts";

/** What an evaluation on rows found, for people: metrics with their intervals, calibration, slices, groups, gates. */
export function evaluationText({ metrics, gates }: Pick<Evaluation, "metrics" | "gates">): string {
  return [
    rowsText(metrics),
    "",
    metricsText(metrics),
    ...(metrics.classes ? ["", classesText(metrics.classes)] : []),
    ...baselineText(metrics),
    ...calibrationText(metrics),
    ...classCalibrationText(metrics),
    ...(metrics.sliced ? ["", slicesText(metrics.sliced)] : []),
    ...(metrics.fairness ? ["", fairnessText(metrics.fairness)] : []),
    ...(metrics.kpis ? ["", kpisText(metrics.kpis)] : []),
    ...(metrics.compute ? ["", computeText(metrics.compute)] : []),
    ...probesText(metrics),
    "",
    gatesText(gates),
  ].join("\n");
}

function rowsText({ rows, positives, queries, classes }: RowMetrics): string {
  if (classes) return `${rows} rows, ${classes.length} classes`;
  if (queries !== undefined) return `${rows} rows, ${queries} queries`;
  return positives === undefined ? `${rows} rows` : `${rows} rows, ${positives} positive`;
}

function kpisText(kpis: readonly KpiValue[]): string {
  const cells = kpis.map(({ name, unit = "", value, interval, problem = "" }) => [
    name,
    value === undefined ? "none" : String(Number(value.toPrecision(6))),
    unit,
    interval ? `[${Number(interval.low.toPrecision(6))}, ${Number(interval.high.toPrecision(6))}]` : "",
    problem,
  ]);
  return table(["kpi", "value", "unit", "95 % interval", "problem"], cells);
}

function computeText({ p95Micros, runs, modelBytes, peakBytes, cpu, cores }: MeasuredCompute): string {
  return `the model alone: p95 ${p95Micros / 1000} ms of ${runs} runs of one row, file ${modelBytes} bytes, memory ${peakBytes} bytes (${cpu}, ${cores} cores)`;
}

export function gatesText(gates: Evaluation["gates"]): string {
  return table(
    ["gate", "verdict", "observed", "required"],
    gates.map((gate) => [gate.gate, gate.passed ? "passed" : "FAILED", gate.observed, gate.required]),
  );
}

export function metricsText({ values, intervals = {} }: RowMetrics): string {
  const cells = Object.entries(values).map(([name, value]) => {
    const interval = intervals[name];
    return [
      name,
      value.toFixed(4),
      interval ? `[${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}]` : "",
      interval?.method ?? "",
    ];
  });
  return table(["metric", "value", "95 % interval", "method"], cells);
}

function classesText(classes: NonNullable<RowMetrics["classes"]>): string {
  const share = (found: (typeof classes)[number]["recall"]) =>
    found
      ? `${found.value.toFixed(4)} [${found.interval.low.toFixed(4)}, ${found.interval.high.toFixed(4)}]`
      : "no row";
  const cells = classes.map(({ name, rows, predicted, precision, recall, f1 }) => [
    name,
    String(rows),
    String(predicted),
    share(recall),
    share(precision),
    f1?.toFixed(4) ?? "",
  ]);
  return table(["class", "rows", "said", "recall [95 %]", "precision [95 %]", "f1"], cells);
}

/** What a model has to be better than; of two classes the gate says it. */
function baselineText({ baseline, classes }: RowMetrics): string[] {
  if (!baseline || !classes) return [];
  const { column, metric = "", value = Number.NaN } = baseline;
  return ["", `the naive answer ${column} has ${metric} ${value.toFixed(4)}`];
}

function calibrationText({ calibration }: RowMetrics): string[] {
  if (!calibration) return [];
  const { uniform, quantile, slope, intercept } = calibration;
  const line =
    slope && intercept
      ? `slope ${slope.value.toFixed(3)}, intercept ${intercept.value.toFixed(3)}`
      : "no slope: the scores are all alike, or separate the classes";
  const errors = `expected calibration error ${uniform.expectedCalibrationError.toFixed(4)} (${uniform.binCount} bins of one width), ${quantile.expectedCalibrationError.toFixed(4)} (${quantile.binCount} of equally many rows)`;
  return ["", `calibration: ${errors}; ${line}`];
}

/** What is told of slices at a glance, by what the model answers; all else is in the answer's JSON. */
const slicedMetrics = ["roc_auc", "accuracy", "macro_f1", "rmse", "mae", "ndcg_at_10"] as const;

function slicesText({ columns, worst }: SliceReport): string {
  const all = columns.flatMap(({ slices }) => slices);
  const measured = slicedMetrics.filter((metric) => all.some(({ values }) => values?.[metric] !== undefined));
  const sizes = [
    ...(all.some(({ positives }) => positives !== undefined) ? (["positives"] as const) : []),
    ...(all.some(({ queries }) => queries !== undefined) ? (["queries"] as const) : []),
  ];
  const cells = columns.flatMap(({ column, problem, slices }) =>
    problem === undefined
      ? slices.map((slice) => [
          column,
          slice.value,
          String(slice.rows),
          ...sizes.map((size) => String(slice[size] ?? "")),
          ...(slice.isJudged
            ? measured.map((metric) => slice.values?.[metric]?.toFixed(4) ?? "")
            : ["too few", ...measured.slice(1).map(() => "")]),
        ])
      : [[column, problem, ...sizes.map(() => ""), "", ...measured.map(() => "")]],
  );
  const told = measured.flatMap((metric) => {
    const found = worst[metric];
    if (!found) return [];
    const { column, value, gap } = found;
    return [`worst slice by ${metric}: ${column} ${value}, ${gap.toFixed(4)} worse than over all rows`];
  });
  const names = sizes.map((size) => (size === "positives" ? "positive" : size));
  const heads = measured.length === 0 ? [""] : measured;
  return [table(["slice by", "value", "rows", ...names, ...heads], cells), ...told].join("\n");
}
