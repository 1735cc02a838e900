import { type Static, Type } from "@portolan/typebox";
import { GateResult, HeldOut, Interval } from "./evidence-shapes.ts";
import { Calibration, ClassCalibration, ClassFigures, MetricInterval } from "./metric-shapes.ts";
import { MembershipReport, ProbesAsked, RobustnessReport, TrainingDataReport } from "./probes/contract.ts";
import { FairnessReport, SliceReport } from "./slices/contract.ts";
import { KpiValue, MeasuredCompute } from "./worth/contract.ts";

export { ComparedValue, Comparison, ComparisonRequest, ComparisonRule } from "./compare/contract.ts";
export { evidenceEnvironment } from "./evidence-environment.ts";
export { GateResult, HeldOut, Interval } from "./evidence-shapes.ts";
export {
  Contribution,
  Counterfactual,
  Explanation,
  type ExplanationBackground,
  ExplanationBacklog,
} from "./explain/contract.ts";
export { Calibration, ClassFigures, MetricInterval } from "./metric-shapes.ts";
export {
  MembershipReport,
  ProbeReports,
  ProbesAsked,
  RobustnessReport,
  TrainingDataReport,
} from "./probes/contract.ts";
export {
  FairnessAttribute,
  FairnessGroup,
  FairnessReport,
  Slice,
  SlicedColumn,
  SliceReport,
  WorstSlice,
} from "./slices/contract.ts";
export {
  NewTextSet,
  TextCaseResult,
  TextEvaluation,
  TextEvaluationRequest,
  TextMetrics,
  TextSet,
} from "./text/contract.ts";
export { FaithfulnessReport } from "./text/judge/contract.ts";
export { KpiValue, MeasuredCompute } from "./worth/contract.ts";

const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

/** Metrics of a binary classifier on held-out rows, named as in the charter. */
export const BinaryMetrics = Type.Object({
  rows: Type.Integer(),
  positives: Type.Integer(),
  values: Type.Record(Type.String(), Type.Number(), {
    description: "Metric name (as in the charter) to value",
  }),
  rocAucInterval: Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number() }),
  intervals: Type.Optional(
    Type.Record(Type.String(), MetricInterval, {
      description:
        "Metric name to its confidence interval; a share without cases has none. Absent in older evaluations",
    }),
  ),
  bootstrap: Type.Optional(
    Type.Object(
      {
        seed: Type.Integer(),
        replicates: Type.Integer({ description: "Resamples" }),
        mostUnits: Type.Integer({ description: "More rows are drawn as so many random groups" }),
      },
      { description: "How the intervals of method `bca` were drawn: the same rows give the same ones again" },
    ),
  ),
  calibration: Type.Optional(Calibration),
  sliced: Type.Optional(SliceReport),
  fairness: Type.Optional(FairnessReport),
  kpis: Type.Optional(Type.Array(KpiValue)),
  compute: Type.Optional(MeasuredCompute),
  robustness: Type.Optional(RobustnessReport),
  membership: Type.Optional(MembershipReport),
  trainingData: Type.Optional(TrainingDataReport),
  baseline: Type.Optional(
    Type.Object({
      column: Type.String({ description: "Column whose value alone served as the score" }),
      rocAuc: Type.Optional(Type.Number()),
      metric: Type.Optional(
        Type.String({ description: "What the two are held by, where it is not the ROC AUC" }),
      ),
      value: Type.Optional(Type.Number({ description: "Of the baseline, in that metric" })),
      difference: Type.Object(
        { value: Type.Number(), interval: Interval },
        {
          description:
            "By how much the model is better: the difference in ROC AUC, paired DeLong; in any other metric, paired bootstrap",
        },
      ),
    }),
  ),
});
export type BinaryMetrics = Static<typeof BinaryMetrics>;

/** Metrics of whatever answers rows: a classifier of two classes or of several, a regression, or rankings. */
export const RowMetrics = Type.Object({
  ...BinaryMetrics.properties,
  positives: Type.Optional(Type.Integer({ description: "Absent where rows have not two classes" })),
  classes: Type.Optional(
    Type.Array(ClassFigures, {
      description: "Of a classifier of several classes, in the order of their numbers",
    }),
  ),
  classCalibration: Type.Optional(ClassCalibration),
  rocAucInterval: Type.Optional(Interval),
  queries: Type.Optional(Type.Integer({ description: "Of rankings: those of two rows and more" })),
});
export type RowMetrics = Static<typeof RowMetrics>;

export const EvaluationRequest = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 100 }),
    version: Type.Integer({ minimum: 1 }),
    trainingSetId: Type.String({
      minLength: 1,
      maxLength: 60,
      description: "Held-out rows: a ready training set of the same use case, in production",
    }),
    slices: Type.Optional(
      Type.Array(Type.String({ pattern: "^[a-z_][a-z0-9_]{0,62}$" }), {
        maxItems: 16,
        uniqueItems: true,
        description: "Columns of the rows to slice by, besides those of the charter",
      }),
    ),
    probes: Type.Optional(ProbesAsked),
  },
  { additionalProperties: false },
);
export type EvaluationRequest = Static<typeof EvaluationRequest>;

export const Evaluation = Type.Object({
  id: Type.String(),
  versionId: Type.String(),
  model: Type.String(),
  version: Type.Integer(),
  artifact: Sha256,
  trainingSetId: Type.String({ description: "The held-out rows" }),
  dataset: Sha256,
  heldOut: HeldOut,
  metrics: RowMetrics,
  gates: Type.Array(GateResult),
  createdAt: Type.Integer(),
});
export type Evaluation = Static<typeof Evaluation>;

/** Name of the gate that holds a version against the charter's accuracy bound. */
export const accuracyGate = "accuracy";
/** Name of the gate that demands that the rows be held out from the model. */
export const heldOutGate = "held-out";
/** Name of the gate that demands that a model be better than the naive baseline of its training set. */
export const baselineGate = "better-than-baseline";

/** The gates of an evaluation, by what a version speaks: it leaves dev when each has a result and passed. */
export const evaluationGates = {
  tensors: [accuracyGate, heldOutGate, baselineGate],
  text: [accuracyGate, heldOutGate],
} as const;

/** How what a job measures stands, such as an evaluation or a comparison. */
export type Measured<T> =
  | { readonly kind: "done"; readonly found: T }
  | { readonly kind: "under_way" }
  | { readonly kind: "failed"; readonly because: string }
  | { readonly kind: "not_begun" };
