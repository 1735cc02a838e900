import { type Static, Type } from "@portolan/typebox";
import { Interval } from "./evidence-shapes.ts";

/** A metric's confidence interval, and how it was made. */
export const MetricInterval = Type.Object({
  ...Interval.properties,
  method: Type.Enum(["delong", "wilson", "bca"], {
    description: "DeLong's, Wilson's of a share, or a bias-corrected and accelerated bootstrap's",
  }),
});
export type MetricInterval = Static<typeof MetricInterval>;

const ReliabilityBin = Type.Object({
  from: Type.Number({ description: "Scores above this one" }),
  to: Type.Number({ description: "Up to this one" }),
  rows: Type.Integer(),
  meanScore: Type.Number(),
  positiveShare: Type.Number({ description: "What really happened" }),
  interval: Interval,
});

const Reliability = (description: string) =>
  Type.Object(
    {
      binCount: Type.Integer({ description: "Bins asked for; those without rows are left out" }),
      expectedCalibrationError: Type.Number({
        description: "Mean distance of predicted and observed share, by rows; chance alone makes some of it",
      }),
      bins: Type.Array(ReliabilityBin),
    },
    { description },
  );

const LineTerm = (description: string) =>
  Type.Object({ value: Type.Number(), interval: Interval }, { description });

/** Whether scores are the probabilities that they say. */
export const Calibration = Type.Object({
  uniform: Reliability("Bins of one width"),
  quantile: Reliability("Bins of equally many rows, where scores do not tie"),
  slope: Type.Optional(
    LineTerm(
      "Of the outcome's log odds over the score's: 1 is right, less means scores that are too extreme",
    ),
  ),
  intercept: Type.Optional(LineTerm("Of the same line: 0 is right")),
});

/** Whether the probabilities of several classes are those that they say. */
export const ClassCalibration = Type.Object({
  topLabel: Type.Object(
    {
      uniform: Reliability("Bins of one width"),
      quantile: Reliability("Bins of equally many rows, where scores do not tie"),
    },
    { description: "Of the class that was said: its probability, and the share that is right" },
  ),
  classwise: Type.Object(
    {
      binCount: Type.Integer({ description: "Bins of one width; those without rows are left out" }),
      expectedCalibrationError: Type.Number({
        description: "Mean over all classes of each one's error against all others",
      }),
      support: Type.Object(
        { rows: Type.Integer() },
        { description: "Rows of a class, and rows of others, that its bins need to be told" },
      ),
      worst: Type.Optional(
        Type.String({ description: "Of the classes with enough rows the one with the largest error" }),
      ),
      classes: Type.Array(
        Type.Object({
          name: Type.String(),
          rows: Type.Integer({ description: "Rows that are of it" }),
          share: Type.Number({ description: "Of all rows" }),
          meanProbability: Type.Number({ description: "That was given to it, over all rows" }),
          expectedCalibrationError: Type.Number(),
          isJudged: Type.Boolean({ description: "False: too few rows, and chance makes most of the error" }),
          bins: Type.Optional(Type.Array(ReliabilityBin)),
        }),
      ),
    },
    { description: "Of each class against all others" },
  ),
});
export type ClassCalibration = Static<typeof ClassCalibration>;

const ClassShare = (description: string) =>
  Type.Optional(
    Type.Object(
      { value: Type.Number(), interval: Interval },
      { description: `${description}, with Wilson's interval; absent where there is no such row` },
    ),
  );

/** How one of several classes fares. */
export const ClassFigures = Type.Object({
  name: Type.String({ description: "As model.classes of the charter names it, or its number" }),
  rows: Type.Integer({ description: "Rows that are of it" }),
  predicted: Type.Integer({ description: "Rows that it was said of" }),
  precision: ClassShare("Share of the rows that it was said of"),
  recall: ClassShare("Share of the rows that are of it"),
  f1: Type.Optional(Type.Number({ description: "Absent where no row is of it and it was never said" })),
});
export type ClassFigures = Static<typeof ClassFigures>;
