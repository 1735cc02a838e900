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
