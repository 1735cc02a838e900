import { type Static, Type } from "@portolan/typebox";
import { Interval } from "../evidence-shapes.ts";

/** What an evaluation may ask a model beside its scores on held-out rows. */
export const ProbesAsked = Type.Object(
  {
    robustness: Type.Optional(
      Type.Object(
        {
          mutable: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
            minItems: 1,
            maxItems: 200,
            uniqueItems: true,
            description: "Features that somebody can change",
          }),
          radius: Type.Number({
            exclusiveMinimum: 0,
            description: "How far, in standard deviations of the training rows",
          }),
        },
        { additionalProperties: false },
      ),
    ),
    membership: Type.Optional(Type.Boolean()),
    trainingData: Type.Optional(Type.Boolean()),
  },
  {
    additionalProperties: false,
    description: "What to ask the model beside what the charter asks; the charter's own word goes first",
  },
);
export type ProbesAsked = Static<typeof ProbesAsked>;

const Share = (description: string) =>
  Type.Object(
    { count: Type.Integer(), share: Type.Number(), interval: Interval },
    { description: `${description}, with Wilson's interval` },
  );

/** How hard decisions are to turn by changing features. Distances are the largest change in standard deviations of the reference rows. */
export const RobustnessReport = Type.Object({
  mutable: Type.Array(Type.String()),
  radius: Type.Number(),
  reference: Type.Enum(["training", "held_out"], {
    description:
      "Whose rows say how far features go: the version's training rows, or, where it has none here, the held-out ones",
  }),
  seed: Type.Integer(),
  rows: Type.Integer({ description: "Held-out rows that are decided rightly, drawn by the seed" }),
  turned: Type.Optional(Share("Decisions that the attack turned within the radius")),
  turnedAtAll: Type.Optional(Type.Integer({ description: "Decisions that it turned at any distance" })),
  medianDistance: Type.Optional(
    Type.Number({
      description: "Of all rows, by the nearest change found; absent where more than half were not turned",
    }),
  ),
  certified: Type.Optional(
    Share("Decisions that no change within the radius turns, of the rows that were certified"),
  ),
  certifiedRows: Type.Optional(Type.Integer()),
  exactRows: Type.Optional(
    Type.Integer({ description: "Rows whose certificate is the distance of the nearest change itself" }),
  ),
  medianRadius: Type.Optional(
    Type.Number({ description: "Of the certificates; absent where no change at all turns more than half" }),
  ),
  notCertified: Type.Optional(Type.String({ description: "Why there are no certificates" })),
  problem: Type.Optional(Type.String({ description: "Why nothing was measured" })),
});
export type RobustnessReport = Static<typeof RobustnessReport>;

/** Whether the model's scores tell the rows that it learned from. */
export const MembershipReport = Type.Object({
  members: Type.Integer({ description: "Training rows, drawn by a seed" }),
  others: Type.Integer({ description: "Held-out rows, likewise" }),
  unscored: Type.Optional(
    Type.Integer({ description: "Rows of which the model makes no number; they are left out" }),
  ),
  attacks: Type.Array(
    Type.Object({
      attack: Type.Enum(["loss", "learned"], {
        description:
          "`loss`: by the row's own loss. `learned`: by class and score, from the one half of both kinds of rows for the other",
      }),
      auc: Type.Number(),
      interval: Interval,
    }),
  ),
  problem: Type.Optional(Type.String()),
});
export type MembershipReport = Static<typeof MembershipReport>;

const ReviewedRow = {
  row: Type.Integer({ description: "Place in the training set, from 0" }),
  label: Type.Integer(),
};

/** Labels of the training rows that look flipped, and rows that pull hardest at a model of them. */
export const TrainingDataReport = Type.Object({
  rows: Type.Integer({ description: "Rows that were looked at" }),
  sampledEvery: Type.Integer({ description: "1: all of them" }),
  folds: Type.Integer(),
  rocAuc: Type.Optional(
    Type.Number({
      description: "Of the out-of-fold probabilities: near one half they say nothing of labels",
    }),
  ),
  suspects: Type.Optional(Share("Rows whose label is contradicted")),
  suspected: Type.Array(
    Type.Object({
      ...ReviewedRow,
      probability: Type.Number({ description: "Of its own label, out of fold" }),
    }),
    {
      description: "The least probable ones",
    },
  ),
  influential: Type.Array(
    Type.Object({
      ...ReviewedRow,
      influence: Type.Number({ description: "Cook's distance in a logistic model of all rows" }),
    }),
    { description: "The largest ones" },
  ),
  problem: Type.Optional(Type.String()),
});
export type TrainingDataReport = Static<typeof TrainingDataReport>;

/** All that was asked. */
export const ProbeReports = Type.Object({
  robustness: Type.Optional(RobustnessReport),
  membership: Type.Optional(MembershipReport),
  trainingData: Type.Optional(TrainingDataReport),
});
export type ProbeReports = Static<typeof ProbeReports>;
