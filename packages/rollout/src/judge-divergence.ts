import { type CountedAnswers, logDivergenceEvidence, mostDivergent } from "./evidence/divergence-evidence.ts";
import { type RateBounds, rateBounds } from "./evidence/rate-bounds.ts";
import type { ReleasePlan } from "./plan.ts";

/** Name of the guard. */
export const divergenceGuard = "diverged";

/** What answers of a cell say: from the one up to the other; null: without an end. */
export interface AnswerCell {
  readonly from: number | null;
  readonly to: number | null;
}

/** How far apart the answers of a step are, by the cell in which they differ most. */
export interface DivergenceBounds {
  readonly cell: AnswerCell;
  /** Shares of that cell's answers among all of each version. */
  readonly candidate: RateBounds;
  readonly control: RateBounds;
  /** In each cell they differ by no more than is allowed, whatever of the bounds is true. */
  readonly isAlike: boolean;
}

type Rule = NonNullable<ReleasePlan["divergence"]>;

/** ln of the e-value of a divergence in a step; 0 where it cannot be told. */
export function logOfAnswers({ atMost }: Rule, answers: CountedAnswers): number {
  return answers.share < 1 && answers.controlShare < 1 ? logDivergenceEvidence(answers, atMost) : 0;
}

/**
 * Bounds of the shares of answers in the present step, at all looks at once.
 *
 * @param alpha chance that the bounds of one version's share of one cell do not hold it
 */
export function divergenceBounds(
  { edges, atMost }: Rule,
  answers: CountedAnswers,
  { margin, alpha }: { readonly margin: ReleasePlan["margin"]; readonly alpha: number },
): DivergenceBounds {
  const allowed = (rate: number): number => Math.max(rate * (1 + atMost), rate + margin.absolute);
  const cells = Array.from({ length: edges.length + 1 }, (_, at) => {
    const candidate = boundsOf(answers.candidate, at, alpha);
    const control = boundsOf(answers.control, at, alpha);
    return {
      candidate,
      control,
      isAlike: candidate.high <= allowed(control.low) && control.high <= allowed(candidate.low),
    };
  });
  const isKnown = answers.share < 1 && answers.controlShare < 1;
  const apart = isKnown ? mostDivergent(answers, atMost) : 0;
  const open = cells.findIndex(({ isAlike }) => !isAlike);
  // What moves nothing any more is not worth showing, where another cell holds the release.
  const shown = open >= 0 && cells[apart]?.isAlike ? open : apart;
  const { candidate, control } = cells[shown] ?? { candidate: unknown, control: unknown };
  const cell = { from: edges[shown - 1] ?? null, to: edges[shown] ?? null };
  return { cell, candidate, control, isAlike: open < 0 };
}

const unknown: RateBounds = { low: 0, high: 1 };

function boundsOf(cells: readonly number[], at: number, alpha: number): RateBounds {
  const all = cells.reduce((sum, count) => sum + count, 0);
  return rateBounds(cells[at] ?? 0, all, alpha);
}
