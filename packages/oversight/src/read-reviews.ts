import type { CallContext, Clock } from "@portolan/kernel";
import type { ReviewItem, ReviewList, ReviewStats, reviewStates } from "./contract.ts";
import { viewReview } from "./review-case.ts";
import { reviewFigures, shareOf } from "./review-figures.ts";
import {
  concludedClaims,
  countOpen,
  listReviewRows,
  type ReviewRow,
  reviewsBetween,
} from "./review-store.ts";
import { placesAllowing, requireReview, type VisibleDeps } from "./visible-reviews.ts";

export interface ReadReviewsDeps extends VisibleDeps {
  readonly clock: Clock;
}

export interface ReviewsQuery {
  readonly endpoint?: string;
  readonly state?: (typeof reviewStates)[number];
  readonly limit?: number;
}

/** Reviews that the caller may see, the most urgent first. */
export async function readReviews(
  deps: ReadReviewsDeps,
  call: CallContext,
  { endpoint, state = "open", limit = 100 }: ReviewsQuery,
): Promise<ReviewList> {
  const places = await placesAllowing(deps, call, "reviews:read");
  const { organisationId } = call.actor;
  const of = { organisationId, places, ...(endpoint === undefined ? {} : { endpoint }) };
  const now = deps.clock.now();
  return deps.work.read(call, async (sql) => ({
    reviews: (await listReviewRows(sql, { ...of, state }, limit)).map((row) => viewReview(row, now)),
    ...(await countOpen(sql, of, now)),
  }));
}

/** One review, without what it is about. @throws PortolanError `kernel.not_found` */
export async function readReview(deps: ReadReviewsDeps, call: CallContext, id: string): Promise<ReviewItem> {
  return viewReview(await requireReview(deps, call, id, "reviews:read"), deps.clock.now());
}

export interface StatsQuery {
  readonly endpoint?: string;
  /** Reviews queued since, epoch microseconds; 30 days ago when absent. */
  readonly from?: number;
  /** Exclusive; now when absent. */
  readonly to?: number;
}

const mostReviews = 20_000;
const usualMicros = 30 * 86_400_000_000;

/** How people decide, and how they agree with each other and with the models. */
export async function readReviewStats(
  deps: ReadReviewsDeps,
  call: CallContext,
  query: StatsQuery,
): Promise<ReviewStats> {
  const places = await placesAllowing(deps, call, "reviews:read");
  const { organisationId } = call.actor;
  const now = deps.clock.now();
  const to = query.to ?? now + 1;
  const from = query.from ?? Math.max(0, to - usualMicros);
  const { endpoint } = query;
  const of = { organisationId, places, ...(endpoint === undefined ? {} : { endpoint }) };
  return deps.work.read(call, async (sql) => {
    const found = await reviewsBetween(sql, of, { from, to, limit: mostReviews + 1 });
    const reviews = found.slice(0, mostReviews);
    const byId = new Map(reviews.map((review) => [review.id, review]));
    const claims = await concludedClaims(sql, [...byId.keys()]);
    const finished = claims.flatMap((claim) => {
      const review = byId.get(claim.review_id);
      const { first_value: first, value: last, reason } = claim;
      if (!review || first === null || last === null) return [];
      return [{ reviewId: review.id, task: review.task, answer: review.answer, first, last, reason }];
    });
    const truncated = found.length > mostReviews;
    return { from, to, truncated, ...countsOf(reviews, now), ...reviewFigures(finished) };
  });
}

function countsOf(
  reviews: readonly ReviewRow[],
  now: number,
): Pick<ReviewStats, "endpoints" | "open" | "overdue" | "closed" | "closedLate"> {
  const open = reviews.filter(({ state }) => state === "open");
  const closed = reviews.filter(({ state }) => state === "closed");
  const late = closed.filter(({ due_at: due, closed_at: at }) => (at ?? 0) > due);
  return {
    endpoints: [...new Set(reviews.map((review) => review.endpoint))].toSorted(),
    open: open.length,
    overdue: open.filter(({ due_at: due }) => due < now).length,
    closed: closed.length,
    closedLate: shareOf(late.length, closed.length),
  };
}
