import {
  type ClassSet,
  classReliabilityBins,
  expectedCalibrationError,
  type ReliabilityBin,
} from "@portolan/numerics";
import { reliability } from "../calibration.ts";
import type { RowMetrics } from "../contract.ts";
import type { ClassCalibration } from "../metric-shapes.ts";
import type { ScoredClasses } from "../ports.ts";

/** Rows of a class, and rows of others, that a class's reliability needs to be told: of fewer chance makes most of the error. */
const leastOfClass = 30;

/**
 * Whether the probabilities of several classes are those that they say: of the class that was said (Guo et al. 2017), and of each class against all others
 * (Kull et al. 2019). `undefined` for scores that are no probabilities. Pure.
 * @param names of the classes; absent: their numbers
 */
export function classCalibrationOf(
  set: ClassSet & Pick<ScoredClasses, "probabilities">,
  names: readonly string[] | undefined,
): RowMetrics["classCalibration"] {
  const { probabilities, labels, predicted, classCount } = set;
  if (!probabilities) return undefined;
  const { confidences, reliability: counted } = probabilities;
  const said = {
    scores: confidences,
    labels: Uint8Array.from(labels, (label, row) => Number(predicted[row] === label)),
  };
  const classes = Array.from({ length: classCount }, (_, one) =>
    classOf(names?.[one] ?? String(one), classReliabilityBins(counted, one)),
  );
  const worst = classes
    .filter(({ isJudged }) => isJudged)
    .toSorted((a, b) => b.expectedCalibrationError - a.expectedCalibrationError)[0];
  return {
    topLabel: { uniform: reliability(said, "uniform"), quantile: reliability(said, "quantile") },
    classwise: {
      binCount: counted.binCount,
      // Of every class, as the definition has it: those with few rows are many where it matters.
      expectedCalibrationError:
        classes.reduce((sum, one) => sum + one.expectedCalibrationError, 0) / classCount,
      support: { rows: leastOfClass },
      ...(worst ? { worst: worst.name } : {}),
      classes,
    },
  };
}

function classOf(name: string, bins: ReliabilityBin[]): ClassCalibration["classwise"]["classes"][number] {
  const sumOf = (part: (bin: ReliabilityBin) => number) => bins.reduce((sum, bin) => sum + part(bin), 0);
  const all = sumOf(({ rows }) => rows);
  const rows = Math.round(sumOf((bin) => bin.positiveShare * bin.rows));
  const isJudged = Math.min(rows, all - rows) >= leastOfClass;
  return {
    name,
    rows,
    share: rows / all,
    meanProbability: sumOf((bin) => bin.meanScore * bin.rows) / all,
    expectedCalibrationError: expectedCalibrationError(bins),
    isJudged,
    ...(isJudged ? { bins } : {}),
  };
}
