import { type Static, Type } from "@portolan/typebox";

const Count = Type.Integer({ minimum: 0 });

/** Why an estimate is not to be trusted, or could not be held against anything. */
export const EstimateDoubt = Type.Enum(
  ["calibration_worse", "concept_drift", "outside_scores", "unseen_inputs", "unchecked"],
  {
    description:
      "calibration_worse: scores mean something else in newer labels. concept_drift: the version is wrong more often than in the reference. outside_scores: scores where the reference has none. unseen_inputs: a column's values beyond its reference's, in the newest window. unchecked: fewer than 500 labels since the reference to hold it against",
  },
);
export type EstimateDoubt = Static<typeof EstimateDoubt>;

/** A figure as it is expected without labels. */
export const EstimatedMetric = Type.Object({
  metric: Type.String({ description: "As charters name it" }),
  value: Type.Number(),
  low: Type.Number({ description: "Lower end of its interval: what was measured would lie within" }),
  high: Type.Number(),
});
export type EstimatedMetric = Static<typeof EstimatedMetric>;

/** What a window's scores let expect, by what the same scores came to in the reference. */
export const PerformanceEstimate = Type.Object({
  predictions: Type.Integer({ minimum: 0, description: "Whose scores were counted" }),
  metrics: Type.Array(EstimatedMetric),
  reliability: Type.Enum(["reliable", "unreliable", "unchecked"]),
  doubts: Type.Array(EstimateDoubt),
  outside: Type.Number({ description: "Share of the scores where the reference has none" }),
});
export type PerformanceEstimate = Static<typeof PerformanceEstimate>;

/** Labels of the reference by cells of the score: what a score means. */
export const Calibration = Type.Object({
  profile: Type.String({ description: "Digest of the reference profile whose cells they are" }),
  cells: Type.Array(
    Type.Object({
      truePositives: Count,
      falsePositives: Count,
      trueNegatives: Count,
      falseNegatives: Count,
    }),
    { description: "One per cell of the score's column" },
  ),
});
export type Calibration = Static<typeof Calibration>;
