import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type {
  EstimateDoubt,
  EstimatedMetric,
  PerformanceEstimate,
  PerformanceReport,
  PerformanceSeries,
  PerformanceVerdict,
} from "@portolan/monitoring/contract";
import { onOneLine, table } from "../output.ts";

const words: Readonly<Record<PerformanceVerdict, string>> = {
  misses: "misses the bound",
  keeps: "keeps the bound",
  unclear: "unclear",
  immature: "labels are missing",
  too_few: "too few labels",
  not_measured: "not told by outcomes",
  no_bound: "no bound",
};

const doubtWords: Readonly<Record<EstimateDoubt, string>> = {
  calibration_worse: "scores mean something else now",
  concept_drift: "concept drift",
  outside_scores: "scores that the reference has none of",
  unseen_inputs: "inputs that the reference has none of",
  unchecked: "no labels since the reference",
};

/** Figures that are shown where the charter bounds none. */
const usual = ["roc_auc", "rmse", "ndcg_at_10", "pass_rate"];

/** A report for the terminal: per version a line for each window, the newest last, then its segments. */
export function performanceText(report: PerformanceReport): string {
  const sections = report.series.flatMap((series) => [
    [headOf(report.endpoint, series), windowTable(series), errorsLine(series)].join("\n"),
    ...(series.segments.length > 0 ? [segmentTable(series, report.by ?? "")] : []),
  ]);
  const until = report.truncated
    ? [`Older windows are left out; ask for them with --to ${instant(report.from)}`]
    : [];
  return [...sections, ...until].join("\n\n");
}

function headOf(
  endpoint: string,
  { environment, variant, model, version, bound }: PerformanceSeries,
): string {
  const who = model === "" ? "" : ` ${model}/${version}`;
  const wanted = bound
    ? `the charter wants ${bound.metric} of at ${bound.kind === "floor" ? "least" : "most"} ${bound.value}`
    : "no charter bounds it";
  return onOneLine(`${environment}/${endpoint}, ${variant}${who}: ${wanted}`);
}

function windowTable(series: PerformanceSeries): string {
  const shown = shownMetrics(series);
  const [first = ""] = shown;
  const isEstimated = series.windows.some(({ estimate }) => estimate !== null);
  const rows = series.windows.map((window) => [
    instant(window.start),
    window.predictions === null ? "?" : String(window.predictions),
    String(window.labels),
    window.maturity === null ? "?" : `${(100 * window.maturity).toFixed(1)} %`,
    ...shown.map((metric) => figure(window.metrics, metric)),
    ...(isEstimated ? [estimated(window.estimate, first)] : []),
    words[window.verdict],
  ]);
  const heads = [...shown, ...(isEstimated ? [`${first} without labels`] : [])];
  return table(["window from", "predictions", "labels", "mature", ...heads, "verdict"], rows);
}

/** Whether it is wrong more often than in its first mature days. */
function errorsLine({ concept }: PerformanceSeries): string {
  if (!concept) return "errors: too few mature days for a reference";
  const { state, reference, recent, since } = concept;
  const was = `${percent(reference.wrong, reference.cases)} of ${reference.cases} in the reference`;
  const is = `${percent(recent.wrong, recent.cases)} of the newest ${recent.cases} outcomes wrong`;
  return state === "drifted"
    ? `errors: concept drift since about ${instant(since ?? 0)}: ${is}, ${was}`
    : `errors: no concept drift: ${recent.cases === 0 ? "no outcomes since the reference" : is}, ${was}`;
}

function percent(cases: number, of: number): string {
  return `${((100 * cases) / Math.max(1, of)).toFixed(1)} %`;
}

function segmentTable(series: PerformanceSeries, by: string): string {
  const shown = shownMetrics(series);
  const rows = series.segments.map((segment) => [
    segment.segment,
    String(segment.labels),
    ...shown.map((metric) => figure(segment.metrics, metric)),
    words[segment.verdict],
  ]);
  return table([by, "labels", ...shown, "verdict"], rows);
}

/** The bounded metric first, beside it another one that was measured, if any. */
function shownMetrics({ bound, windows }: PerformanceSeries): readonly string[] {
  const measured = windows.flatMap(({ metrics }) => metrics.map(({ metric }) => metric));
  const first = bound?.metric ?? usual.find((name) => measured.includes(name)) ?? "metric";
  const second = measured.find((name) => name !== first);
  return second === undefined ? [first] : [first, second];
}

function figure(metrics: readonly EstimatedMetric[], name: string): string {
  const found = metrics.find(({ metric }) => metric === name);
  return found ? `${short(found.value)} (${short(found.low)} to ${short(found.high)})` : "-";
}

/** What the scores let expect, and why not to trust it. */
function estimated(estimate: PerformanceEstimate | null, name: string): string {
  if (!estimate) return "-";
  const { metrics, reliability, doubts } = estimate;
  const value = figure(metrics, name);
  const why = doubts.map((doubt) => doubtWords[doubt]).join(", ");
  return reliability === "reliable" || value === "-" ? value : `${value}, ${reliability}: ${why}`;
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3);
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
