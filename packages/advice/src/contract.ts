import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;

export const adviceKinds = [
  "dormant_endpoint",
  "oversized_workers",
  "gpu_fits_cpu",
  "unquantised_model",
  "off_peak_window",
  "duplicate_data",
  "unbounded_retention",
  "oversized_log",
  "idle_cards",
] as const;
export type AdviceKind = (typeof adviceKinds)[number];

const MoneyText = Type.String({ description: "Exact, with its currency, e.g. `12.5 USD`" });

export const MoneyRange = Type.Object(
  { low: MoneyText, expected: MoneyText, high: MoneyText },
  { ...closed, description: "In a month" },
);

export const Evidence = Type.Object(
  {
    what: Type.String(),
    value: Type.String(),
    from: Type.String({ description: "Where the figure comes from; `assumed` where nobody measured it" }),
  },
  closed,
);
export type Evidence = Static<typeof Evidence>;

export const Recommendation = Type.Object(
  {
    id: Type.String({ description: "The same for the same cause, however often it is found" }),
    kind: Type.Enum([...adviceKinds]),
    subject: Type.Object(
      {
        kind: Type.Enum(["endpoint", "scoring", "data", "log", "cards"]),
        name: Type.String(),
        environment: Type.Enum(["dev", "staging", "production"]),
        useCaseId: Type.Optional(Type.String()),
      },
      closed,
    ),
    what: Type.String({ description: "One sentence" }),
    evidence: Type.Array(Evidence, { minItems: 1 }),
    costsNow: Type.Optional(MoneyRange),
    saves: Type.Optional(MoneyRange),
    noSaving: Type.Optional(Type.String({ description: "Why no saving is stated" })),
    command: Type.String({ description: "What does it" }),
    changes: Type.String({ description: "What else changes, for whoever decides" }),
  },
  closed,
);
export type Recommendation = Static<typeof Recommendation>;

export const FollowedRecommendation = Type.Object(
  {
    recommendation: Recommendation,
    state: Type.Enum(["open", "followed", "dismissed"]),
    firstFoundAt: Type.Integer({ description: "Epoch microseconds" }),
    goneAt: Type.Optional(Type.Integer({ description: "When its cause was found to be gone" })),
    dismissedBy: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
    savesMonthly: Type.Optional(
      Type.String({
        description: "What the same thing cost in a month before, less what it costs now; expected",
      }),
    ),
    savedSoFar: Type.Optional(Type.String({ description: "The same for the time since then" })),
  },
  closed,
);
export type FollowedRecommendation = Static<typeof FollowedRecommendation>;

export const RecommendationList = Type.Object(
  {
    recommendations: Type.Array(FollowedRecommendation),
    total: Type.Optional(
      Type.Object(MoneyRange.properties, {
        ...closed,
        description: "Of all that are open in a month; of several about one thing the greatest",
      }),
    ),
    savedSoFar: Type.Optional(MoneyText),
    judgedAt: Type.Integer({ description: "Epoch microseconds" }),
  },
  closed,
);
export type RecommendationList = Static<typeof RecommendationList>;

export const Dismissal = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 500, description: "Why it is not followed" }) },
  closed,
);
