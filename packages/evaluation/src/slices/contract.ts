import { type Static, Type } from "@portolan/typebox";
import { Interval } from "../evidence-shapes.ts";
import { MetricInterval } from "../metric-shapes.ts";

const Support = Type.Object(
  { positives: Type.Integer(), negatives: Type.Integer() },
  { description: "Rows of each class that a part needs to be judged" },
);

const RowSupport = Type.Object(
  { rows: Type.Integer() },
  { description: "Rows that a part needs to be judged where there are not two classes" },
);

const QuerySupport = Type.Object(
  { queries: Type.Integer() },
  { description: "Queries that a part of rankings needs to be judged" },
);

const part = {
  value: Type.String({
    description:
      "Value or bin of the column; (none): the rows have no value, (rare): values that fewer than five rows have",
  }),
  rows: Type.Integer(),
  positives: Type.Integer(),
  isJudged: Type.Boolean({ description: "False: too few rows, and nothing is said of them" }),
};

export const Slice = Type.Object({
  ...part,
  positives: Type.Optional(Type.Integer({ description: "Absent where rows have not two classes" })),
  queries: Type.Optional(
    Type.Integer({
      description: "Of rankings: (mixed) are those whose rows have several values, and are not judged",
    }),
  ),
  isAbsent: Type.Optional(Type.Boolean({ description: "True: the rows have no value" })),
  values: Type.Optional(Type.Record(Type.String(), Type.Number(), { description: "Metric name to value" })),
  intervals: Type.Optional(
    Type.Record(Type.String(), MetricInterval, {
      description: "Of shares and of the ROC AUC; the others have none on slices",
    }),
  ),
});
export type Slice = Static<typeof Slice>;

const Grouping = Type.Enum(["values", "quantiles"], {
  description: "`quantiles`: a column of more than 20 different numbers, in bins of equally many rows",
});

export const SlicedColumn = Type.Object({
  column: Type.String(),
  grouping: Type.Optional(Grouping),
  expression: Type.Optional(
    Type.String({ description: "What the set's author made the column of, where it is an attribute" }),
  ),
  problem: Type.Optional(Type.String({ description: "Why the column makes no slices" })),
  slices: Type.Array(Slice),
});
export type SlicedColumn = Static<typeof SlicedColumn>;

export const WorstSlice = Type.Object({
  column: Type.String(),
  value: Type.String(),
  rows: Type.Integer(),
  found: Type.Number({ description: "Of the metric on this slice" }),
  gap: Type.Number({
    description: "How much worse than over all rows; negative where even the worst slice is better",
  }),
});
export type WorstSlice = Static<typeof WorstSlice>;

/** The metrics of parts of the rows. */
export const SliceReport = Type.Object({
  bins: Type.Integer({ description: "Quantile bins of columns of many numbers" }),
  support: Type.Union([Support, RowSupport, QuerySupport]),
  columns: Type.Array(SlicedColumn),
  worst: Type.Record(Type.String(), WorstSlice, {
    description: "Of each metric the judged slice on which it is worst; empty where none is judged",
  }),
});
export type SliceReport = Static<typeof SliceReport>;

const Rate = Type.Object(
  { value: Type.Number(), interval: Interval },
  { description: "With Wilson's interval" },
);

export const FairnessGroup = Type.Object({
  ...part,
  selectionRate: Type.Optional(Rate),
  truePositiveRate: Type.Optional(Rate),
  falsePositiveRate: Type.Optional(Rate),
});
export type FairnessGroup = Static<typeof FairnessGroup>;

export const FairnessAttribute = Type.Object({
  class: Type.Optional(
    Type.String({
      description:
        "Of several classes the one that is said or not: rows of it are the positives, and those that it was said of are selected",
    }),
  ),
  columns: Type.Array(Type.String(), { description: "One column, or two whose values are crossed" }),
  expressions: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description: "By column what the set's author made it of, where it is an attribute",
    }),
  ),
  grouping: Type.Optional(Grouping),
  problem: Type.Optional(Type.String({ description: "Why groups cannot be compared" })),
  groupCount: Type.Optional(Type.Integer()),
  judgedCount: Type.Optional(Type.Integer({ description: "Groups with enough rows" })),
  groups: Type.Array(FairnessGroup, {
    description:
      "Of one column all; of two those between which the measures are: the lowest and the highest rates",
  }),
  measures: Type.Optional(
    Type.Record(Type.String(), Type.Number(), {
      description: "fairlearn's names and definitions, between the judged groups",
    }),
  ),
});
export type FairnessAttribute = Static<typeof FairnessAttribute>;

/** How differently groups are treated by decisions at one half, or by what was said of several classes. */
export const FairnessReport = Type.Object({
  support: Support,
  favourable: Type.Optional(
    Type.Array(Type.String(), {
      description: "Classes that the charter has groups compared by; absent: each class",
    }),
  ),
  attributes: Type.Array(FairnessAttribute),
});
export type FairnessReport = Static<typeof FairnessReport>;
