import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

/** Why an answer is reviewed. */
export const reviewReasons = ["every", "uncertain", "high_stakes", "not_judged", "sample"] as const;
export type ReviewReason = (typeof reviewReasons)[number];

/** Why a person decided otherwise than the model. */
export const overrideReasons = [
  "wrong_input",
  "missing_context",
  "model_error",
  "policy",
  "unfair",
  "other",
] as const;
export type OverrideReason = (typeof overrideReasons)[number];

/** `expired`: retention took the record before anybody decided. */
export const reviewStates = ["open", "closed", "expired"] as const;

const micros = (description: string) => Type.Integer({ minimum: 0, description });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

/** A label: yes or no, a class, a quantity, or of a ranking the relevance of each row of its list. */
export const LabelValue = Type.Union([
  Type.Boolean(),
  Type.Number(),
  Type.String({ maxLength: 1000 }),
  Type.Array(Type.Number({ minimum: 0 }), {
    minItems: 2,
    maxItems: 1000,
    description: "Of a ranking the relevance of each row of its request, in their order",
  }),
]);
export type LabelValue = Static<typeof LabelValue>;

const Values = Type.Array(
  Type.Object({
    name: Type.String(),
    value: Type.Union([Type.Null(), Type.Boolean(), Type.Number(), Type.String()]),
  }),
);

/** A review without a word of what it is about. */
export const ReviewItem = Type.Object({
  id: Type.String(),
  predictionId: Type.String(),
  useCaseId: Type.String(),
  endpoint: Type.String(),
  environment: Type.Enum([...environments]),
  model: Type.String(),
  version: Type.String(),
  task: Type.String({ description: "What the model answers, as its charter says" }),
  rows: Type.Optional(Type.Integer({ description: "Of a ranking: rows of its list" })),
  classes: Type.Optional(
    Type.Array(Type.String(), { description: "Of several classes: their names, as the charter has them" }),
  ),
  reasons: Type.Array(Type.Enum([...reviewReasons])),
  priority: Type.Integer({ description: "The greater, the sooner" }),
  receivedAt: micros("Arrival of the request, epoch microseconds"),
  queuedAt: micros("Epoch microseconds"),
  dueAt: micros("Epoch microseconds"),
  isOverdue: Type.Boolean({ description: "Open beyond its due time" }),
  people: Type.Integer({ description: "People who are to decide it" }),
  concluded: Type.Integer({ description: "People who have" }),
  state: Type.Enum([...reviewStates]),
  closedAt: orNull(micros("Epoch microseconds")),
});
export type ReviewItem = Static<typeof ReviewItem>;

export const ReviewList = Type.Object({
  reviews: Type.Array(ReviewItem),
  open: Type.Integer({ description: "Open reviews that the caller may see" }),
  overdue: Type.Integer({ description: "Of these, beyond their due time" }),
});
export type ReviewList = Static<typeof ReviewList>;

/** What the model said; shown after one's own decision alone. */
export const RevealedAnswer = Type.Object({
  value: orNull(LabelValue),
  outputs: Values,
  scores: Type.Optional(
    Type.Array(Type.Number(), { description: "Of a ranking: the score of each row, in their order" }),
  ),
  text: Type.Optional(Type.String({ description: "The answer's body, where it has no tensors of one row" })),
});
export type RevealedAnswer = Static<typeof RevealedAnswer>;

/** A review as the person sees it who decides it. */
export const ReviewCase = Type.Object({
  review: ReviewItem,
  leaseUntil: micros("Until then it is this person's; epoch microseconds"),
  inputs: Values,
  features: Values,
  list: Type.Optional(
    Type.Array(Values, { description: "Of a ranking: the inputs of each row, in their order" }),
  ),
  text: Type.Optional(Type.String({ description: "The request's body, where it has no tensors of one row" })),
  withheld: Type.Optional(
    Type.String({ description: "Why nothing of the request is shown: erased, no_space, or not_readable" }),
  ),
  /** Absent until a decision is recorded. */
  own: Type.Optional(LabelValue),
  answer: Type.Optional(RevealedAnswer),
});
export type ReviewCase = Static<typeof ReviewCase>;

export const NextRequest = Type.Object(
  {
    endpoint: Type.Optional(Type.String({ maxLength: 200 })),
    environment: Type.Optional(Type.Enum([...environments])),
  },
  { additionalProperties: false },
);
export type NextRequest = Static<typeof NextRequest>;

export const NextReview = Type.Object({ case: orNull(ReviewCase) });
export type NextReview = Static<typeof NextReview>;

export const Decision = Type.Object({ value: LabelValue }, { additionalProperties: false });
export type Decision = Static<typeof Decision>;

export const Conclusion = Type.Object(
  {
    value: Type.Optional(LabelValue),
    reason: Type.Optional(
      Type.Enum([...overrideReasons], { description: "Needed where the decision is not the model's" }),
    ),
    comment: Type.Optional(Type.String({ maxLength: 2000, description: "Needed with the reason `other`" })),
  },
  { additionalProperties: false },
);
export type Conclusion = Static<typeof Conclusion>;

/** What became of a conclusion. */
export const Concluded = Type.Object({
  review: ReviewItem,
  value: LabelValue,
  overrides: orNull(
    Type.Boolean({ description: "Whether it is not the model's; null where that cannot be told" }),
  ),
  label: orNull(LabelValue),
});
export type Concluded = Static<typeof Concluded>;

const Share = Type.Object({
  count: Type.Integer(),
  of: Type.Integer(),
  share: orNull(Type.Number()),
  low: orNull(Type.Number({ description: "Wilson's interval of 95 %" })),
  high: orNull(Type.Number()),
});
export type Share = Static<typeof Share>;

export const ReviewStats = Type.Object({
  from: micros("Reviews queued since, epoch microseconds"),
  to: micros("Exclusive"),
  truncated: Type.Boolean({ description: "There were more; the newest are counted" }),
  endpoints: Type.Array(Type.String(), { description: "Whose reviews these are" }),
  open: Type.Integer(),
  overdue: Type.Integer(),
  closed: Type.Integer(),
  closedLate: Share,
  /** First decisions, made without seeing the model's answer. */
  agreesWithModel: Share,
  overrides: Share,
  /** Of those whose first decision was another, who took over the model's once they saw it. */
  changedToModel: Share,
  betweenPeople: Type.Object({
    agree: Share,
    kappa: orNull(Type.Number({ description: "Cohen's κ of first decisions" })),
    low: orNull(Type.Number()),
    high: orNull(Type.Number()),
  }),
  reasons: Type.Record(Type.String(), Type.Integer()),
});
export type ReviewStats = Static<typeof ReviewStats>;

/** What a caller or user says of an answer. */
export const Feedback = Type.Object(
  {
    predictionId: Type.String({ maxLength: 120 }),
    kind: Type.Enum(["rating", "correction", "override"], {
      description: "correction: what would have been right; override: what was done instead",
    }),
    rating: Type.Optional(Type.Integer({ minimum: 1, maximum: 5, description: "Of `rating`: 1 to 5" })),
    value: Type.Optional(LabelValue),
    comment: Type.Optional(Type.String({ maxLength: 2000 })),
  },
  { additionalProperties: false },
);
export type Feedback = Static<typeof Feedback>;

export const FeedbackReceipt = Type.Object({
  id: Type.String(),
  isNew: Type.Boolean({ description: "False: the same was said before by the same caller" }),
  isLabel: Type.Boolean({ description: "It counts as a label until a review or a reported outcome does" }),
});
export type FeedbackReceipt = Static<typeof FeedbackReceipt>;

export const FeedbackSummary = Type.Object({
  endpoint: Type.String(),
  versions: Type.Array(
    Type.Object({
      environment: Type.Enum([...environments]),
      model: Type.String(),
      version: Type.String(),
      ratings: Type.Integer(),
      meanRating: orNull(Type.Number({ description: "1 to 5" })),
      corrections: Type.Integer(),
      overrides: Type.Integer(),
    }),
  ),
});
export type FeedbackSummary = Static<typeof FeedbackSummary>;
