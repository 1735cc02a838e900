import { comparedMetrics } from "@portolan/charter/contract";
import { type Static, Type } from "@portolan/typebox";
import { HeldOut, Interval } from "../evidence-shapes.ts";

const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const Metric = Type.Enum([...comparedMetrics]);
const Margins = Type.Record(
  Type.String({ pattern: `^(${comparedMetrics.join("|")})$` }),
  Type.Number({ exclusiveMinimum: 0 }),
);
const SetId = (description: string) => Type.String({ minLength: 1, maxLength: 60, description });

export const ComparisonRequest = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 100 }),
    challenger: Type.Integer({ minimum: 1, description: "Version that is to replace the champion" }),
    champion: Type.Optional(
      Type.Integer({ minimum: 1, description: "Absent: the version that is promoted in production" }),
    ),
    trainingSetId: SetId("Held-out rows: a ready training set of the same use case, in production"),
    championTrainingSetId: Type.Optional(
      SetId("The same rows with the champion's features, where it takes others"),
    ),
    metrics: Type.Optional(
      Type.Array(Metric, {
        minItems: 1,
        uniqueItems: true,
        description:
          "Absent: those of the charter in force. Only a comparison under the charter's own rule is a gate",
      }),
    ),
    margins: Type.Optional({ ...Margins, description: "Of the metrics named here" }),
  },
  { additionalProperties: false },
);
export type ComparisonRequest = Static<typeof ComparisonRequest>;

/** What a challenger must show. */
export const ComparisonRule = Type.Object({
  metrics: Type.Array(Metric),
  margins: { ...Margins, description: "Metrics in which it need only not be worse by more than this" },
  level: Type.Number({
    description: "One-sided level that each p, adjusted over the metrics by Holm, must not exceed",
  }),
});
export type ComparisonRule = Static<typeof ComparisonRule>;

export const ComparedValue = Type.Object({
  metric: Metric,
  champion: Type.Number(),
  challenger: Type.Number(),
  advantage: Type.Object(
    { value: Type.Number(), interval: Interval },
    { description: "Positive where the challenger is better, also of metrics that are better when lower" },
  ),
  question: Type.Enum(["better", "not_worse"]),
  margin: Type.Optional(Type.Number()),
  test: Type.Enum(["delong", "mcnemar_exact", "mcnemar", "tango", "bootstrap"], {
    description: "Paired, on the same rows",
  }),
  p: Type.Number({ description: "One-sided" }),
  adjustedP: Type.Number({
    description: "By Holm over the rule's metrics, times the sets of rows that these two were compared on",
  }),
  isShown: Type.Boolean(),
});
export type ComparedValue = Static<typeof ComparedValue>;

export const Comparison = Type.Object({
  id: Type.String(),
  model: Type.String(),
  challenger: Type.Integer(),
  champion: Type.Integer(),
  challengerVersionId: Type.String(),
  championVersionId: Type.String(),
  trainingSetId: Type.String({ description: "The held-out rows" }),
  championTrainingSetId: Type.String({ description: "The same rows, as the champion takes them" }),
  dataset: Sha256,
  heldOut: { ...HeldOut, description: "From both versions" },
  rows: Type.Integer(),
  positives: Type.Optional(Type.Integer({ description: "Absent where rows have not two classes" })),
  queries: Type.Optional(Type.Integer({ description: "Of rankings: those of two rows and more" })),
  rarestClass: Type.Optional(
    Type.Integer({
      description:
        "Rows of the class that the fewest are of, where a metric of the rule weighs each of several classes alike",
    }),
  ),
  setsTried: Type.Integer({
    description: "Different sets of rows that these two were compared on so far, this one included",
  }),
  rule: ComparisonRule,
  values: Type.Array(ComparedValue),
  isBetter: Type.Boolean({
    description:
      "Everything that the rule asks is shown, on at least 30 rows of each of two classes; on 30 rows else, of each class where the rule weighs classes alike, and on 30 queries of rankings",
  }),
  createdAt: Type.Integer(),
});
export type Comparison = Static<typeof Comparison>;
