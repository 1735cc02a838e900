import type {
  Evaluation,
  FairnessReport,
  KpiValue,
  MeasuredCompute,
  RowMetrics,
  SliceReport,
} from "@portolan/evaluation/contract";
import { table } from "../output.ts";
import { probesText } from "./probes-text.ts";

/** What an evaluation on rows found, for people: metrics with their intervals, calibration, slices, groups, gates. */
export function evaluationText({ metrics, gates }: Pick<Evaluation, "metrics" | "gates">): string {
  return [
    rowsText(metrics),
    "",
    metricsText(metrics),
    ...calibrationText(metrics),
    ...(metrics.sliced ? ["", slicesText(metrics.sliced)] : []),
    ...(metrics.fairness ? ["", fairnessText(metrics.fairness)] : []),
    ...(metrics.kpis ? ["", kpisText(metrics.kpis)] : []),
    ...(metrics.compute ? ["", computeText(metrics.compute)] : []),
    ...probesText(metrics),
    "",
    gatesText(gates),
  ].join("\n");
}

/** Rows of quantities have no classes. */
function rowsText({ rows, positives, queries }: RowMetrics): string {
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

function slicesText({ columns, worst }: SliceReport): string {
  const cells = columns.flatMap(({ column, problem, slices }) =>
    problem === undefined
      ? slices.map(({ value, rows, positives, values }) => [
          column,
          value,
          String(rows),
          String(positives),
          values?.["roc_auc"]?.toFixed(4) ?? "too few",
          values?.["accuracy"]?.toFixed(4) ?? "",
        ])
      : [[column, problem, "", "", "", ""]],
  );
  const told = ["roc_auc", "accuracy"].flatMap((metric) => {
    const found = worst[metric];
    if (!found) return [];
    const { column, value, gap } = found;
    return [`worst slice by ${metric}: ${column} ${value}, ${gap.toFixed(4)} worse than over all rows`];
  });
  return [table(["slice by", "value", "rows", "positive", "roc_auc", "accuracy"], cells), ...told].join("\n");
}

function fairnessText({ attributes }: FairnessReport): string {
  const groups = attributes.flatMap(({ columns, problem, groups: found }) => [
    ...found.map((group) => [
      columns.join(" × "),
      group.value,
      String(group.rows),
      group.selectionRate?.value.toFixed(4) ?? "too few",
      group.truePositiveRate?.value.toFixed(4) ?? "",
      group.falsePositiveRate?.value.toFixed(4) ?? "",
    ]),
    ...(problem === undefined ? [] : [[columns.join(" × "), problem, "", "", "", ""]]),
  ]);
  const measures = attributes.flatMap(({ columns, measures: found = {} }) =>
    Object.entries(found).map(([name, value]) => [columns.join(" × "), name, value.toFixed(4)]),
  );
  return [
    table(["groups by", "value", "rows", "selection rate", "true positives", "false positives"], groups),
    "",
    table(["groups by", "measure", "value"], measures),
  ].join("\n");
}
