import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const Count = Type.Integer({ minimum: 0 });

const where = {
  tensor: Type.String({ description: "Name of the model's input or output" }),
  column: Type.Integer({ minimum: 0, description: "Column within the tensor's row" }),
  name: Type.String({ description: "The feature's name, or tensor and column where it has none" }),
  counts: Type.Array(Count, { description: "Rows of the reference per cell" }),
};

/** Cells: below, one per lower bound, above, null, NaN, negative infinity, positive infinity. */
export const NumericColumn = Type.Object(
  {
    ...where,
    kind: Type.Literal("numeric"),
    lowerBounds: Type.Array(Type.Number(), {
      maxItems: 20,
      description:
        "Ascending, all different; a cell reaches from its bound up to the next one, which it excludes",
    }),
    maximum: Type.Union([Type.Number(), Type.Null()], {
      description: "The last cell ends with it, and includes it; null: the reference has no finite value",
    }),
  },
  closed,
);
export type NumericColumn = Static<typeof NumericColumn>;

/** Cells: one per level, others (new and rare ones), null. */
export const LevelsColumn = Type.Object(
  { ...where, kind: Type.Literal("levels"), levels: Type.Array(Type.String(), { maxItems: 100 }) },
  closed,
);
export type LevelsColumn = Static<typeof LevelsColumn>;

export const ProfiledColumn = Type.Union([NumericColumn, LevelsColumn]);
export type ProfiledColumn = Static<typeof ProfiledColumn>;

/** How a model version's inputs and outputs lie in its reference data; frozen, and addressed by its digest. */
export const ReferenceProfile = Type.Object(
  {
    format: Type.Literal(1),
    model: Type.Object(
      { name: Type.String(), version: Type.Integer({ minimum: 1 }), digest: Sha256 },
      closed,
    ),
    data: Type.Object(
      {
        trainingSetId: Type.String(),
        digest: Sha256,
        rows: Type.Integer({ minimum: 1, description: "Rows of the set" }),
        sampledEvery: Type.Integer({
          minimum: 1,
          description: "Every so many-th row was looked at, the first included",
        }),
      },
      closed,
    ),
    rows: Type.Integer({
      minimum: 1,
      description: "Rows that were looked at; each column's counts add up to it",
    }),
    inputs: Type.Array(ProfiledColumn),
    outputs: Type.Array(ProfiledColumn),
    skipped: Type.Array(Type.String(), { description: "Tensors or columns without counts, and why" }),
  },
  closed,
);
export type ReferenceProfile = Static<typeof ReferenceProfile>;
