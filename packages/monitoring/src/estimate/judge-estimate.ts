import { performancePolicy } from "../performance/performance-policy.ts";
import {
  type CalibratedCell,
  estimateMetrics,
  joinCells,
  labelsOf,
  type Outcomes,
} from "./estimate-metrics.ts";
import type { EstimateDoubt, PerformanceEstimate } from "./estimate-schema.ts";

/** When an estimate is doubted; why each number: docs/adr/0219. */
export const estimatePolicy = {
  /** How much the calibration error of newer labels may lie above what chance makes of it. */
  worseBy: 0.05,
  /** Labels since the reference that it takes to say so. */
  leastChecked: 500,
  /** Share of scores that the reference has none of. */
  mostOutside: 0.01,
  /** How much more of an input's values may lie beyond its reference. */
  mostUnseen: 0.05,
} as const;

/** Scores of a window, and what is known of what scores mean. */
export interface EstimateEvidence {
  /** Labels of the reference by cell of the score, the range's alone. */
  readonly reference: readonly Outcomes[];
  /** Labels that came after the reference, by the same cells. */
  readonly since: readonly Outcomes[];
  /** Answers of the window by the same cells. */
  readonly scores: readonly number[];
  /** Answers of the window whose score lies in none of them. */
  readonly outside: number;
  /** Largest growth of an input's share beyond its reference; absent where it was not looked at. */
  readonly unseen?: number;
  readonly hasDrifted: boolean;
}

/** What a window's scores let expect, and whether that is to be trusted. Pure. */
export function judgeEstimate(evidence: EstimateEvidence): PerformanceEstimate | undefined {
  const { reference, scores, outside } = evidence;
  const within = scores.reduce((sum, count) => sum + count, 0);
  if (within + outside < performancePolicy.leastLabels) return undefined;
  const cells = joinCells(reference.map((one, at) => ({ reference: one, now: scores[at] ?? 0 })));
  if (cells.length === 0) return undefined;
  const doubts = doubtsOf(evidence, outside / (within + outside));
  const isDoubted = doubts.some((doubt) => doubt !== "unchecked");
  return {
    predictions: within + outside,
    metrics: estimateMetrics(cells, performancePolicy.level),
    reliability: isDoubted ? "unreliable" : doubts.length > 0 ? "unchecked" : "reliable",
    doubts,
    outside: outside / (within + outside),
  };
}

function doubtsOf(
  { reference, since, unseen = 0, hasDrifted }: EstimateEvidence,
  outside: number,
): EstimateDoubt[] {
  const { worseBy, leastChecked, mostOutside, mostUnseen } = estimatePolicy;
  const labels = since.reduce((sum, one) => sum + labelsOf(one), 0);
  const isChecked = labels >= leastChecked;
  return [
    ...(isChecked && calibrationExcess(reference, since) > worseBy ? (["calibration_worse"] as const) : []),
    ...(hasDrifted ? (["concept_drift"] as const) : []),
    ...(outside > mostOutside ? (["outside_scores"] as const) : []),
    ...(unseen > mostUnseen ? (["unseen_inputs"] as const) : []),
    ...(isChecked ? [] : (["unchecked"] as const)),
  ];
}

/**
 * Expected calibration error of newer labels, held against the reference's shares of yes by cell, less what chance alone makes of it where both have the same
 * shares. Around 0 where scores still mean the same; 0.1 where they are off by ten points in the mean.
 */
export function calibrationExcess(reference: readonly Outcomes[], since: readonly Outcomes[]): number {
  const cells = joinCells(reference.map((one, at) => cellWith(one, since[at])));
  const labels = cells.reduce((sum, { now }) => sum + now, 0);
  const yes = joinedYes(reference, since);
  return cells.reduce((sum, { reference: one, now }, at) => {
    if (now === 0) return sum;
    const expected = (one.truePositives + one.falseNegatives) / labelsOf(one);
    const observed = (yes[at] ?? 0) / now;
    const pooled = (expected * labelsOf(one) + observed * now) / (labelsOf(one) + now);
    const spread = Math.sqrt(pooled * (1 - pooled) * (1 / now + 1 / labelsOf(one)));
    // The mean of the size of a normal deviation.
    const chance = Math.sqrt(2 / Math.PI) * spread;
    return sum + (now / labels) * (Math.abs(observed - expected) - chance);
  }, 0);
}

function cellWith(reference: Outcomes, since: Outcomes | undefined): CalibratedCell {
  return { reference, now: since ? labelsOf(since) : 0 };
}

/** Newer positives by the joined cells. */
function joinedYes(reference: readonly Outcomes[], since: readonly Outcomes[]): number[] {
  return joinCells(
    reference.map((one, at) => {
      const newer = since[at];
      return { reference: one, now: newer ? newer.truePositives + newer.falseNegatives : 0 };
    }),
  ).map(({ now }) => now);
}
