import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

/** What a version's answers are explained against, as it is stored. */
export interface ExplanationBackground {
  readonly format: 1;
  readonly model: string;
  readonly data: {
    readonly trainingSetId: string;
    readonly digest: string;
    /** Rows that were looked at: every `sampledEvery`-th one. */
    readonly rows: number;
    readonly sampledEvery: number;
  };
  /** Names of the model's columns, in their order. */
  readonly columns: readonly string[];
  /** Of a tree ensemble: rows that passed each node, by tree and node in the file's order. */
  readonly covers?: readonly (readonly number[])[];
  /** Of a linear model: the mean of each column, and its interquartile range. */
  readonly means?: readonly number[];
  readonly spreads?: readonly number[];
  /** Of any other model: values that stand in for absent ones, row by row; each is had by five rows, or is the mean of five. */
  readonly standIns?: readonly (readonly number[])[];
}

const finite = (description: string) => Type.Number({ description });

export const Contribution = Type.Object({
  column: Type.String(),
  value: Type.Union([Type.Number(), Type.Null()], { description: "As the model got it; null: absent (NaN)" }),
  contribution: finite("What the value moved the score by, in the score's unit"),
  reason: Type.String({ description: "The same in words" }),
});

export const Counterfactual = Type.Object({
  changes: Type.Array(
    Type.Object({
      column: Type.String(),
      from: Type.Union([Type.Number(), Type.Null()]),
      to: Type.Number(),
    }),
  ),
  score: finite("The score with these changes"),
  distance: finite(
    "Sum of the changes, each in interquartile ranges: of a column's thresholds in trees, of its training values in a linear model",
  ),
});

export const KeptView = Type.Object(
  {
    at: Type.Integer({ description: "When it was made, epoch microseconds" }),
    digest: Type.String({
      description:
        "Of the explanation with the digests of model and background, method and parameters, and a salt",
    }),
    ledgerRow: Type.String({ description: "Names the Merkle root that the digest is under" }),
    leaf: Type.Object(
      { index: Type.Integer(), count: Type.Integer(), path: Type.Array(Type.String()) },
      { description: "The digest's place under the root: an inclusion proof of RFC 9162" },
    ),
    rows: Type.Integer({ description: "Rows of the request; the first twenty are kept" }),
    top: Type.Integer(),
    fixed: Type.Array(Type.String()),
    again: Type.Optional(
      Type.Enum(["bit_for_bit", "otherwise"], {
        description: "Explained anew for this answer: whether that is what was kept",
      }),
    ),
  },
  { description: "Made because the charter says so or somebody asked before, and kept with the prediction" },
);

export const Explanation = Type.Object({
  predictionId: Type.String(),
  row: Type.Integer({ minimum: 0, description: "Row of the request" }),
  rows: Type.Optional(
    Type.Integer({ minimum: 1, description: "That the request has; absent where its answer does not say" }),
  ),
  model: Type.Object({ name: Type.String(), version: Type.String(), digest: Type.String() }),
  method: Type.Enum(["tree_shap", "linear", "kernel_shap"], {
    description:
      "Path-dependent TreeSHAP, exact; the closed form of a linear model, exact; or interventional Shapley values, exact up to twelve columns and from drawn coalitions beyond",
  }),
  background: Type.Object({
    digest: Type.String(),
    trainingSetId: Type.String(),
    rows: Type.Integer(),
  }),
  decided: Type.Optional(
    Type.String({
      description: "The class that the model says, where it says one; not always the one that is explained",
    }),
  ),
  target: Type.String({
    description:
      "The class, or the value, whose score is explained: of two classes the second, of more the highest",
  }),
  names: Type.Optional(
    Type.Object(
      { decided: Type.Optional(Type.String()), target: Type.Optional(Type.String()) },
      { description: "What the charter in force calls these classes, where the model numbers them" },
    ),
  ),
  unit: Type.Enum(["log_odds", "score"], { description: "Of scores and contributions" }),
  score: finite("Of this row"),
  expected: finite("Mean score over the background: the score is this and all contributions"),
  contributions: Type.Array(Contribution, { description: "The largest first, by absolute value" }),
  othersContribution: finite("Sum of the contributions that are not listed"),
  counterfactual: Type.Optional(Counterfactual),
  counterfactualSearch: Type.Enum(["found", "none", "cut_off", "not_done"], {
    description:
      "Whether a change was found; `cut_off`: there was not enough time to look at all; `not_done`: the model is asked, or decides nothing",
  }),
  reproduced: Type.Enum(["exactly", "to_rounding", "no"], {
    description:
      "Whether the model, run again on what the record says that it got, gives the recorded answer: each value the same, within a part in 100,000, or not",
  }),
  kept: Type.Optional(KeptView),
});
export type Explanation = Static<typeof Explanation>;

/** What a charter has explained without anybody asking, by endpoint. */
export const ExplanationBacklog = Type.Object({
  endpoints: Type.Array(
    Type.Object({
      environment: Type.Enum([...environments]),
      useCaseId: Type.String(),
      endpoint: Type.String(),
      waiting: Type.Integer({ description: "Chosen, and not yet explained" }),
      explained: Type.Integer({ description: "Kept with their predictions in the last thirty days" }),
      notExplainable: Type.Integer({ description: "Tried in the last thirty days; the reason is kept" }),
      passedOver: Type.Integer({
        description:
          "Chosen, and never tried, because too many waited already; on request they are explained",
      }),
      lagSeconds: Type.Number({
        description: "Since the record of the one that waits longest was accepted; 0: none waits",
      }),
    }),
  ),
});
export type ExplanationBacklog = Static<typeof ExplanationBacklog>;
