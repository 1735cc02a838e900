import {
  expectedCalibrationError,
  logisticRecalibration,
  type ReliabilityBinning,
  reliabilityBins,
  type ScoredSet,
} from "@portolan/numerics";
import type { BinaryMetrics } from "./contract.ts";

/** Bins of a reliability diagram, as in scikit-learn's examples and most papers. */
const binCount = 10;

/** Whether scores are the probabilities that they say; `undefined` for scores outside of [0, 1], which are none. Pure. */
export function calibrationOf(set: ScoredSet): BinaryMetrics["calibration"] {
  if (set.scores.some((score) => !(score >= 0 && score <= 1))) return undefined;
  const line = logisticRecalibration(set);
  return {
    uniform: reliability(set, "uniform"),
    quantile: reliability(set, "quantile"),
    ...(line
      ? {
          slope: { value: line.slope, interval: line.slopeInterval },
          intercept: { value: line.intercept, interval: line.interceptInterval },
        }
      : {}),
  };
}

/** Bins of a reliability diagram with their error. Pure. */
export function reliability(set: ScoredSet, binning: ReliabilityBinning) {
  const bins = reliabilityBins(set, binning, binCount);
  return { binCount, expectedCalibrationError: expectedCalibrationError(bins), bins };
}
