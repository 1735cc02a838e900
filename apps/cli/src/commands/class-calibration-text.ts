import type { RowMetrics } from "@portolan/evaluation/contract";
import { table } from "../output.ts";

/** Whether the probabilities of several classes are those that they say, for people; the bins are in the answer's JSON. */
export function classCalibrationText({ classCalibration }: RowMetrics): string[] {
  if (!classCalibration) return [];
  const { topLabel, classwise } = classCalibration;
  const { uniform, quantile } = topLabel;
  const of = (error: { readonly expectedCalibrationError: number }) =>
    error.expectedCalibrationError.toFixed(4);
  const cells = classwise.classes.map(({ name, rows, share, meanProbability, isJudged, ...error }) => [
    name,
    String(rows),
    share.toFixed(4),
    meanProbability.toFixed(4),
    isJudged ? of(error) : `too few (${classwise.support.rows} rows)`,
  ]);
  const worst = classwise.worst === undefined ? "" : `, worst ${classwise.worst}`;
  return [
    "",
    `calibration of what was said: expected calibration error ${of(uniform)} (${uniform.binCount} bins of one width), ${of(quantile)} (${quantile.binCount} of equally many rows); of each class against all others: ${of(classwise)} on average${worst}`,
    "",
    table(["class", "rows", "share", "mean probability", "calibration error"], cells),
  ];
}
