import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { BlockAddress } from "@portolan/predictions/contract";
import { sql as raw, type Selectable } from "kysely";
import type { LabelValue } from "./contract.ts";
import { type ClaimTable, type ReviewTable, tables } from "./tables.ts";

export type ReviewRow = Selectable<ReviewTable> & { readonly concluded: number };
export type ClaimRow = Selectable<ClaimTable>;
export type NewReview = Omit<ReviewTable, "label" | "closed_at" | "state">;

const json = (value: LabelValue | null) =>
  value === null ? null : raw<LabelValue>`${JSON.stringify(value)}::jsonb`;

export async function isSeen(sql: Sql, organisationId: string, address: BlockAddress): Promise<boolean> {
  const row = await tables(sql)
    .selectFrom("oversight.seen_blocks")
    .select("block")
    .where("organisation_id", "=", organisationId)
    .where("writer_id", "=", address.writerId)
    .where("epoch", "=", address.epoch)
    .where("block", "=", address.block)
    .executeTakeFirst();
  return row !== undefined;
}

/** False when it was marked before. */
export async function markSeen(sql: Sql, organisationId: string, address: BlockAddress): Promise<boolean> {
  const { writerId, epoch, block } = address;
  const marked = await tables(sql)
    .insertInto("oversight.seen_blocks")
    .values({ organisation_id: organisationId, writer_id: writerId, epoch, block })
    .onConflict((conflict) => conflict.doNothing())
    .returning("block")
    .execute();
  return marked.length > 0;
}

/** @returns the ids of those that are new */
export async function insertReviews(sql: Sql, reviews: readonly NewReview[]): Promise<string[]> {
  const added: string[] = [];
  for (let at = 0; at < reviews.length; at += 500) {
    const rows = await tables(sql)
      .insertInto("oversight.reviews")
      .values(
        reviews.slice(at, at + 500).map((review) => ({
          ...review,
          reasons: raw<ReviewTable["reasons"]>`${JSON.stringify(review.reasons)}::jsonb`,
          answer: json(review.answer),
          classes: review.classes && raw<readonly string[]>`${JSON.stringify(review.classes)}::jsonb`,
          state: "open" as const,
        })),
      )
      .onConflict((conflict) => conflict.columns(["organisation_id", "prediction_id"]).doNothing())
      .returning("id")
      .execute();
    added.push(...rows.map(({ id }) => id));
  }
  return added;
}

const reviews = (sql: Sql) =>
  tables(sql)
    .selectFrom("oversight.reviews as review")
    .selectAll("review")
    .select(
      raw<number>`(select count(*)::int from oversight.claims as done where done.review_id = review.id and done.concluded_at is not null)`.as(
        "concluded",
      ),
    );

export function findReview(sql: Sql, organisationId: string, id: string): Promise<ReviewRow | undefined> {
  return reviews(sql)
    .where("review.organisation_id", "=", organisationId)
    .where("review.id", "=", id)
    .executeTakeFirst();
}

/** Where reviews are seen: an environment, and a use case in it. */
export interface ReviewPlace {
  readonly environment: Environment;
  readonly useCaseId: string;
}

export interface ReviewFilter {
  readonly organisationId: string;
  readonly places: readonly ReviewPlace[];
  readonly endpoint?: string;
  readonly state?: ReviewTable["state"];
}

export async function listReviewPlaces(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<ReviewPlace[]> {
  if (environments.length === 0) return [];
  const rows = await tables(sql)
    .selectFrom("oversight.reviews")
    .select(["environment", "use_case_id"])
    .distinct()
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", environments)
    .execute();
  return rows.map(({ environment, use_case_id: useCaseId }) => ({ environment, useCaseId }));
}

function filtered(sql: Sql, { organisationId, places, endpoint, state }: ReviewFilter) {
  let query = reviews(sql)
    .where("review.organisation_id", "=", organisationId)
    .where((eb) =>
      eb.or(
        places.map(({ environment, useCaseId }) =>
          eb.and([eb("review.environment", "=", environment), eb("review.use_case_id", "=", useCaseId)]),
        ),
      ),
    );
  if (endpoint !== undefined) query = query.where("review.endpoint", "=", endpoint);
  if (state !== undefined) query = query.where("review.state", "=", state);
  return query;
}

/** The most urgent first. */
export async function listReviewRows(sql: Sql, filter: ReviewFilter, limit: number): Promise<ReviewRow[]> {
  if (filter.places.length === 0) return [];
  return filtered(sql, filter)
    .orderBy("review.priority", "desc")
    .orderBy("review.due_at")
    .orderBy("review.id")
    .limit(limit)
    .execute();
}

/** Open reviews and those of them that are overdue. */
export async function countOpen(
  sql: Sql,
  filter: ReviewFilter,
  now: number,
): Promise<{ readonly open: number; readonly overdue: number }> {
  if (filter.places.length === 0) return { open: 0, overdue: 0 };
  const row = await sql
    .selectFrom(filtered(sql, { ...filter, state: "open" }).as("open"))
    .select([
      raw<number>`count(*)::int`.as("open"),
      raw<number>`count(*) filter (where due_at < ${now}::bigint)::int`.as("overdue"),
    ])
    .executeTakeFirst();
  return { open: Number(row?.open ?? 0), overdue: Number(row?.overdue ?? 0) };
}

/**
 * The most urgent open review that still lacks a person, and that this one has no part in. A person counts from when they took it until their lease ends, and for ever once they have
 * concluded.
 */
export async function nextReview(
  { sql, call, now }: Transaction,
  filter: Omit<ReviewFilter, "organisationId" | "state">,
): Promise<ReviewRow | undefined> {
  if (filter.places.length === 0) return undefined;
  return (
    filtered(sql, { ...filter, organisationId: call.actor.organisationId, state: "open" })
      .where(
        raw<boolean>`(select count(*) from oversight.claims as busy where busy.review_id = review.id and busy.reviewer <> ${call.actor.id}
        and (busy.concluded_at is not null or busy.lease_until > ${now}::bigint)) < review.people`,
      )
      .where(
        raw<boolean>`not exists (select 1 from oversight.claims as mine where mine.review_id = review.id and mine.reviewer = ${call.actor.id}
        and mine.concluded_at is not null)`,
      )
      // What this person has begun comes first.
      .orderBy(
        raw`(select count(*) from oversight.claims as mine where mine.review_id = review.id and mine.reviewer = ${call.actor.id}) desc`,
      )
      .orderBy("review.priority", "desc")
      .orderBy("review.due_at")
      .orderBy("review.id")
      .limit(1)
      .executeTakeFirst()
  );
}

/** People at work on a review besides this one, or done with it. */
export async function othersOn({ sql, call, now }: Transaction, reviewId: string): Promise<number> {
  const row = await tables(sql)
    .selectFrom("oversight.claims")
    .select(raw<number>`count(*)::int`.as("count"))
    .where("review_id", "=", reviewId)
    .where("reviewer", "<>", call.actor.id)
    .where((eb) => eb.or([eb("concluded_at", "is not", null), eb("lease_until", ">", now)]))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** Takes or renews it; what the person said before stays. */
export async function holdClaim(
  { sql, call, now }: Transaction,
  reviewId: string,
  leaseUntil: number,
): Promise<ClaimRow> {
  return tables(sql)
    .insertInto("oversight.claims")
    .values({
      review_id: reviewId,
      reviewer: call.actor.id,
      claimed_at: now,
      lease_until: leaseUntil,
      first_value: null,
      first_at: null,
      value: null,
      reason: null,
      comment: null,
      concluded_at: null,
    })
    .onConflict((conflict) =>
      conflict.columns(["review_id", "reviewer"]).doUpdateSet({ lease_until: leaseUntil }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

export function findClaim(sql: Sql, reviewId: string, reviewer: string): Promise<ClaimRow | undefined> {
  return tables(sql)
    .selectFrom("oversight.claims")
    .selectAll()
    .where("review_id", "=", reviewId)
    .where("reviewer", "=", reviewer)
    .executeTakeFirst();
}

export async function storeFirst(
  { sql, call, now }: Transaction,
  reviewId: string,
  value: LabelValue,
): Promise<void> {
  await tables(sql)
    .updateTable("oversight.claims")
    .set({ first_value: json(value), first_at: now })
    .where("review_id", "=", reviewId)
    .where("reviewer", "=", call.actor.id)
    .execute();
}

export async function storeConclusion(
  { sql, call, now }: Transaction,
  reviewId: string,
  conclusion: Pick<ClaimTable, "value" | "reason" | "comment">,
): Promise<void> {
  await tables(sql)
    .updateTable("oversight.claims")
    .set({ ...conclusion, value: json(conclusion.value), concluded_at: now })
    .where("review_id", "=", reviewId)
    .where("reviewer", "=", call.actor.id)
    .execute();
}

export function concludedClaims(sql: Sql, reviewIds: readonly string[]): Promise<ClaimRow[]> {
  if (reviewIds.length === 0) return Promise.resolve([]);
  return tables(sql)
    .selectFrom("oversight.claims")
    .selectAll()
    .where("review_id", "in", reviewIds)
    .where("concluded_at", "is not", null)
    .orderBy("concluded_at")
    .orderBy("reviewer")
    .execute();
}

/** Asks one more person; or closes it, with the label that they agreed on or without one. */
export async function settleReview(
  { sql, now }: Transaction,
  id: string,
  outcome: { readonly people: number } | { readonly label: LabelValue | null },
): Promise<void> {
  await tables(sql)
    .updateTable("oversight.reviews")
    .set(
      "people" in outcome
        ? { people: outcome.people }
        : { state: "closed", label: json(outcome.label), closed_at: now },
    )
    .where("id", "=", id)
    .execute();
}

/** The newest reviews of a stretch, of whatever state. */
export async function reviewsBetween(
  sql: Sql,
  filter: ReviewFilter,
  { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<ReviewRow[]> {
  if (filter.places.length === 0) return [];
  return filtered(sql, filter)
    .where("review.queued_at", ">=", from)
    .where("review.queued_at", "<", to)
    .orderBy("review.queued_at", "desc")
    .orderBy("review.id")
    .limit(limit)
    .execute();
}

/** What people said of somebody goes with the record that they said it of. */
export async function eraseReviews(tx: Transaction, predictionIds: readonly string[]): Promise<void> {
  for (const table of ["oversight.reviews", "oversight.feedback"] as const)
    for (let at = 0; at < predictionIds.length; at += 1000)
      await tables(tx.sql)
        .deleteFrom(table)
        .where("organisation_id", "=", tx.call.actor.organisationId)
        .where("prediction_id", "in", predictionIds.slice(at, at + 1000))
        .execute();
}

/** Of records whose time is over: what was derived from the answer goes, and nobody can decide what nobody can read. */
export async function expireReviews(tx: Transaction, predictionIds: readonly string[]): Promise<void> {
  for (let at = 0; at < predictionIds.length; at += 1000)
    await tables(tx.sql)
      .updateTable("oversight.reviews")
      .set({
        answer: null,
        state: raw`case when state = 'open' then 'expired' else state end`,
        closed_at: raw`coalesce(closed_at, ${tx.now}::bigint)`,
      })
      .where("organisation_id", "=", tx.call.actor.organisationId)
      .where("prediction_id", "in", predictionIds.slice(at, at + 1000))
      .execute();
}

/** What waits for people, of all organisations: for control's own metrics. */
export async function openReviews(
  sql: Sql,
  now: number,
): Promise<
  {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly endpoint: string;
    readonly open: number;
    readonly overdue: number;
  }[]
> {
  const rows = await tables(sql)
    .selectFrom("oversight.reviews")
    .select([
      "organisation_id",
      "environment",
      "endpoint",
      raw<number>`count(*)::int`.as("open"),
      raw<number>`count(*) filter (where due_at < ${now}::bigint)::int`.as("overdue"),
    ])
    .where("state", "=", "open")
    .groupBy(["organisation_id", "environment", "endpoint"])
    .limit(500)
    .execute();
  return rows.map(({ organisation_id: organisationId, ...row }) => ({ organisationId, ...row }));
}
