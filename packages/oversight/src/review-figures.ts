import { cohenKappa, wilsonInterval } from "@portolan/numerics";
import type { LabelValue, OverrideReason, ReviewStats, Share } from "./contract.ts";
import { isCategorical, sameLabel } from "./label-values.ts";

/** One person's part in a review, concluded. */
export interface FinishedClaim {
  readonly reviewId: string;
  readonly task: string;
  /** What the model said; null where that is not known any more. */
  readonly answer: LabelValue | null;
  /** Decided without seeing it. */
  readonly first: LabelValue;
  readonly last: LabelValue;
  readonly reason: OverrideReason | null;
}

type Figures = Pick<
  ReviewStats,
  "agreesWithModel" | "overrides" | "changedToModel" | "betweenPeople" | "reasons"
>;

/**
 * How people, and people and models, agree. Pure. Quantities are left out of all but overrides and reasons: they are near, not alike.
 *
 * @param claims in the order in which they were concluded
 */
export function reviewFigures(claims: readonly FinishedClaim[]): Figures {
  const told = claims.flatMap((claim) => (claim.answer === null ? [] : [{ ...claim, answer: claim.answer }]));
  const alike = told.filter(({ task }) => isCategorical(task));
  const differing = alike.filter(({ first, answer }) => !sameLabel(first, answer));
  const reasons = Object.groupBy(
    claims.flatMap(({ reason }) => (reason === null ? [] : [reason])),
    (reason) => reason,
  );
  return {
    agreesWithModel: shareOf(alike.length - differing.length, alike.length),
    overrides: shareOf(told.filter(({ last, answer }) => !sameLabel(last, answer)).length, told.length),
    changedToModel: shareOf(
      differing.filter(({ last, answer }) => sameLabel(last, answer)).length,
      differing.length,
    ),
    betweenPeople: betweenPeople(claims.filter(({ task }) => isCategorical(task))),
    reasons: Object.fromEntries(Object.entries(reasons).map(([reason, of]) => [reason, of.length])),
  };
}

/** Of each review with several people the first two, by what they decided before they saw anything. */
function betweenPeople(claims: readonly FinishedClaim[]): Figures["betweenPeople"] {
  const pairs: [string, string][] = [];
  for (const [first, second] of Map.groupBy(claims, ({ reviewId }) => reviewId).values())
    if (first && second) pairs.push([String(first.first), String(second.first)]);
  const { value, interval } = cohenKappa(pairs);
  const agree = pairs.filter(([a, b]) => a === b).length;
  return {
    agree: shareOf(agree, pairs.length),
    kappa: value ?? null,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  };
}

/** With Wilson's interval of 95 %; nothing of nothing has none. */
export function shareOf(count: number, of: number): Share {
  if (of === 0) return { count, of, share: null, low: null, high: null };
  const { low, high } = wilsonInterval(count, of);
  return { count, of, share: count / of, low, high };
}
