import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { PerformanceEstimate } from "../estimate/estimate-schema.ts";
import { ConceptStanding } from "./concept-schema.ts";

const Count = Type.Integer({ minimum: 0 });
const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });

/** One figure over labelled predictions. */
export const PerformanceMetric = Type.Object({
  metric: Type.String({ description: "As charters name it" }),
  value: Type.Number(),
  low: Type.Number({ description: "Lower end of its interval" }),
  high: Type.Number({ description: "Upper end of its interval" }),
  cases: Type.Integer({
    description: "Predictions that it is over; of a share the ones that it is a share of",
  }),
});
export type PerformanceMetric = Static<typeof PerformanceMetric>;

/** What a charter bounds in production. */
export const PerformanceBound = Type.Object({
  metric: Type.String(),
  kind: Type.Enum(["floor", "ceiling"]),
  value: Type.Number(),
  below: Type.Enum(["alert", "fallback", "stop"], {
    description: "What the charter wants when it is missed",
  }),
  several: Type.Optional(
    Type.Object(
      {
        names: Type.Optional(Type.Array(Type.String(), { description: "In the order of the scores" })),
      },
      { description: "Answers are of one of several classes" },
    ),
  ),
});
export type PerformanceBound = Static<typeof PerformanceBound>;

export const PerformanceVerdict = Type.Enum(
  ["misses", "keeps", "unclear", "immature", "too_few", "not_measured", "no_bound"],
  {
    description:
      "misses: the whole interval lies beyond the charter's bound. keeps: the whole interval lies on its right side. unclear: the interval holds the bound. immature: too many predictions have no label yet. too_few: too few labels, or too few of a class. not_measured: outcomes do not tell the charter's metric. no_bound: no charter is in force",
  },
);
export type PerformanceVerdict = Static<typeof PerformanceVerdict>;

const figures = {
  labels: Type.Integer({ minimum: 0, description: "Predictions with a label that is not retracted" }),
  unreadable: Type.Integer({
    minimum: 0,
    description:
      "Labelled predictions whose answer or label is no number or class of the task, or was erased: in no figure",
  }),
  metrics: Type.Array(PerformanceMetric, { description: "Those that the cases are enough for" }),
  verdict: PerformanceVerdict,
};

export const PerformanceWindow = Type.Object({
  start: Micros("Arrival of its predictions, inclusive"),
  end: Micros("Exclusive"),
  predictions: Type.Union([Count, Type.Null()], {
    description:
      "Predictions that were answered; null where there are more labels, so that not all were counted",
  }),
  maturity: Type.Union([Type.Number({ minimum: 0, maximum: 1 }), Type.Null()], {
    description: "Share of the predictions that have a label; null where it is not known",
  }),
  ...figures,
  estimate: Type.Union([PerformanceEstimate, Type.Null()], {
    description:
      "What the window's scores let expect, labels or none; null without a calibrated reference before it",
  }),
});
export type PerformanceWindow = Static<typeof PerformanceWindow>;

export const PerformanceSegment = Type.Object({
  segment: Type.String({ description: "Value of the column, or a range of it" }),
  ...figures,
});
export type PerformanceSegment = Static<typeof PerformanceSegment>;

/** One version behind an endpoint, in windows of arrival, the oldest first. */
export const PerformanceSeries = Type.Object({
  environment: Type.Enum([...environments]),
  useCaseId: Type.Union([Type.String(), Type.Null()], {
    description: "Null for labels from before it was kept",
  }),
  variant: Type.String(),
  model: Type.String({ description: "Empty where no model answered" }),
  version: Type.String(),
  bound: Type.Union([PerformanceBound, Type.Null()]),
  concept: Type.Union([ConceptStanding, Type.Null()], {
    description: "Concept drift; null where too few mature days are known for a reference",
  }),
  windows: Type.Array(PerformanceWindow),
  segments: Type.Array(PerformanceSegment, {
    description:
      "Over all windows, the most labels first; their intervals hold together at 95 % (Bonferroni)",
  }),
});
export type PerformanceSeries = Static<typeof PerformanceSeries>;

export const PerformanceReport = Type.Object({
  endpoint: Type.String(),
  asOf: Micros("Labels that were reported until then count"),
  from: Micros("Start of the oldest window"),
  to: Micros("End of the newest window"),
  truncated: Type.Boolean({ description: "Older windows are left out: ask for them with `to` at `from`" }),
  by: Type.Union([Type.String(), Type.Null()]),
  series: Type.Array(PerformanceSeries),
});
export type PerformanceReport = Static<typeof PerformanceReport>;
