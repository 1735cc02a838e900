import { type Static, Type } from "@portolan/typebox";
import { performancePolicy } from "../performance/performance-policy.ts";
import { restOfOne } from "./decimal.ts";

export const lifecycleNames = ["retraining-completion", "drift-detection", "label-maturity"] as const;
export type LifecycleName = (typeof lifecycleNames)[number];

/** A service level objective over what happens to a model, not over requests. */
export const LifecycleObjective = Type.Object({
  name: Type.Enum([...lifecycleNames]),
  description: Type.String(),
  target: Type.String({ description: "Share of good events of thirty days, an exact decimal below 1" }),
  wantedBy: Type.String({ description: "That it is this product's own" }),
});
export type LifecycleObjective = Static<typeof LifecycleObjective>;

/** Events of thirty days that are due: those that are open and still have time count for nothing. */
export interface LifecycleCounts {
  readonly good: number;
  readonly total: number;
}

const hourMicros = 3_600_000_000;
/** Charters say nothing of these. A retraining waits for people; drift is told of two windows of an hour in a row; labels come by the week. */
export const lifecyclePolicy = {
  retrainingMicros: 72 * hourMicros,
  detectionMicros: 3 * hourMicros,
  labelMicros: 7 * 24 * hourMicros,
} as const;
const ownWord = "no word of the charter: this product's own";

/** What is wanted of each endpoint; of labels only where its charter bounds what they tell. Pure. */
export function lifecycleObjectives({
  hasOutcomes,
}: {
  readonly hasOutcomes: boolean;
}): LifecycleObjective[] {
  return [
    {
      name: "retraining-completion",
      description:
        "Retrainings that ended within 72 hours, whatever their verdict; failed ones are bad, cancelled and superseded ones are none",
      target: "0.9",
      wantedBy: ownWord,
    },
    {
      name: "drift-detection",
      description: "Drift alerts that opened within 3 hours of the first window that differed",
      target: "0.95",
      wantedBy: ownWord,
    },
    ...(hasOutcomes
      ? [
          {
            name: "label-maturity" as const,
            description: "Predictions of 7 days ago and before that have a label",
            target: String(performancePolicy.matureShare),
            wantedBy: ownWord,
          },
        ]
      : []),
  ];
}

const Known = (description: string) =>
  Type.Union([Type.Number(), Type.Null()], { description: `${description}; null: nothing is due yet` });

export const LifecycleStatus = Type.Object({
  ...LifecycleObjective.properties,
  events: Type.Integer({ description: "Due within the last thirty days" }),
  badShare: Known("Share of them that is bad"),
  budgetUsed: Known("Part of the error budget that they took; above 1 it is spent"),
  isMet: Type.Union([Type.Boolean(), Type.Null()], { description: "Null: nothing is due yet" }),
});
export type LifecycleStatus = Static<typeof LifecycleStatus>;

/** Pure. */
export function lifecycleStatus(
  objective: LifecycleObjective,
  { good, total }: LifecycleCounts,
): LifecycleStatus {
  if (total === 0) return { ...objective, events: 0, badShare: null, budgetUsed: null, isMet: null };
  const badShare = (total - good) / total;
  const budgetUsed = badShare / Number(restOfOne(objective.target));
  // A share and a target that are the same number meet, whatever their last binary digit.
  return { ...objective, events: total, badShare, budgetUsed, isMet: budgetUsed <= 1 + 1e-9 };
}
