import type { Case } from "./case-values.ts";
import { isReadable, measureCases, measuredFromOutcomes, type Task, taskOf } from "./measure-cases.ts";
import { performancePolicy } from "./performance-policy.ts";
import type {
  PerformanceBound,
  PerformanceMetric,
  PerformanceSegment,
  PerformanceVerdict,
  PerformanceWindow,
} from "./performance-schema.ts";

/** A labelled prediction of a series. */
export interface LabelledCase extends Case {
  readonly predictionId: string;
  /** Arrival of the prediction, epoch microseconds. */
  readonly receivedAt: number;
}

/** Answered predictions of a series in one hour. */
export interface AnsweredHour {
  /** Its start, epoch microseconds. */
  readonly hour: number;
  readonly predictions: number;
}

/** What is known of one version behind an endpoint. */
export interface SeriesEvidence {
  readonly cases: readonly LabelledCase[];
  readonly answered: readonly AnsweredHour[];
  readonly bound: PerformanceBound | undefined;
  /** Labels of its only window, where `cases` are the newest of more. */
  readonly labels?: number;
}

/** A window by its labels alone. */
export type JudgedWindow = Omit<PerformanceWindow, "estimate">;

/** Start of the window that an instant falls into; windows are counted from the epoch. */
export function windowStart(at: number, windowMicros: number): number {
  return Math.floor(at / windowMicros) * windowMicros;
}

/** Every window that has predictions or labels, the oldest first. Pure: the same evidence gives the same figures, in whatever order it came. */
export function judgeWindows(
  { cases, answered, bound, labels }: SeriesEvidence,
  windowMicros: number,
): JudgedWindow[] {
  const task = taskOf(bound, cases);
  const labelled = Map.groupBy(cases, ({ receivedAt }) => windowStart(receivedAt, windowMicros));
  const counted = Map.groupBy(answered, ({ hour }) => windowStart(hour, windowMicros));
  const starts = [...new Set([...labelled.keys(), ...counted.keys()])].sort((a, b) => a - b);
  return starts.map((start) => {
    const own = labelled.get(start) ?? [];
    const { predictions, maturity } = maturityOf(labels ?? own.length, counted.get(start) ?? []);
    const figures = figuresOf(task, own, bound, { maturity, level: performancePolicy.level });
    const all = { ...figures, labels: labels ?? figures.labels };
    return { start, end: start + windowMicros, predictions, maturity, ...all };
  });
}

/** Cases of one value of a column. */
export interface Segment {
  readonly segment: string;
  readonly cases: readonly LabelledCase[];
}

/** Figures by segment over everything at once; the more segments, the wider the intervals, so that all hold together. */
export function judgeSegments(
  { cases, answered, bound, labels }: SeriesEvidence,
  segments: readonly Segment[],
): PerformanceSegment[] {
  const task = taskOf(bound, cases);
  const { maturity } = maturityOf(labels ?? cases.length, answered);
  const level = 1 - (1 - performancePolicy.level) / Math.max(1, segments.length);
  return segments.map(({ segment, cases: own }) => ({
    segment,
    ...figuresOf(task, own, bound, { maturity, level }),
  }));
}

/** Share of the predictions of these hours that have a label; null where not all were counted. */
export function maturityOf(labels: number, hours: readonly AnsweredHour[]) {
  const counted = hours.reduce((sum, { predictions }) => sum + predictions, 0);
  // From before predictions were counted there are labels without them.
  if (counted < labels || counted === 0) return { predictions: null, maturity: null };
  return { predictions: counted, maturity: labels / counted };
}

function figuresOf(
  task: Task,
  cases: readonly LabelledCase[],
  bound: PerformanceBound | undefined,
  of: { readonly maturity: number | null; readonly level: number },
) {
  const readable = cases.filter((one) => isReadable(task, one));
  const metrics = measureCases(task, readable, of.level);
  return {
    labels: cases.length,
    unreadable: cases.length - readable.length,
    metrics,
    verdict: verdictOf(bound, metrics, { readable: readable.length, maturity: of.maturity }),
  };
}

function verdictOf(
  bound: PerformanceBound | undefined,
  metrics: readonly PerformanceMetric[],
  { readable, maturity }: { readonly readable: number; readonly maturity: number | null },
): PerformanceVerdict {
  if (!bound) return "no_bound";
  if (!measuredFromOutcomes(bound.metric)) return "not_measured";
  if (readable < performancePolicy.leastLabels) return "too_few";
  if (maturity === null || maturity < performancePolicy.matureShare) return "immature";
  const found = metrics.find(({ metric }) => metric === bound.metric);
  if (!found) return "too_few";
  const isFloor = bound.kind === "floor";
  if (isFloor ? found.high < bound.value : found.low > bound.value) return "misses";
  return (isFloor ? found.low >= bound.value : found.high <= bound.value) ? "keeps" : "unclear";
}
