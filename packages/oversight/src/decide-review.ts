import {
  addMicros,
  type CallContext,
  type Clock,
  PortolanError,
  systemActor,
  type Transaction,
} from "@portolan/kernel";
import type { Concluded, Conclusion, LabelValue, NextRequest, ReviewCase } from "./contract.ts";
import type { OversightErrorCode } from "./errors.ts";
import { requireFitting, sameLabel, type Wanted } from "./label-values.ts";
import type { Labels, Records } from "./ports.ts";
import { viewCase, viewReview } from "./review-case.ts";
import {
  type ClaimRow,
  concludedClaims,
  findClaim,
  findReview,
  holdClaim,
  nextReview,
  othersOn,
  type ReviewRow,
  settleReview,
  storeConclusion,
  storeFirst,
} from "./review-store.ts";
import { settle } from "./settle.ts";
import { placesAllowing, requirePerson, requireReview, type VisibleDeps } from "./visible-reviews.ts";

export interface DecideDeps extends VisibleDeps {
  readonly clock: Clock;
  readonly records: Records;
  readonly labels: Labels;
}

/** A person has a review to themselves for so long; each step begins it anew. */
export const leaseMicros = 30 * 60 * 1_000_000;

/**
 * Takes the most urgent review that waits for a person and is not this one's already; what this person has begun comes first. Undefined: nothing waits.
 *
 * @throws PortolanError `oversight.person_needed`, and what `Authorizer.require` throws
 */
export async function takeNext(
  deps: DecideDeps,
  call: CallContext,
  { endpoint, environment }: NextRequest,
): Promise<ReviewCase | undefined> {
  requirePerson(call);
  const allowed = await placesAllowing(deps, call, "reviews:decide");
  const places = allowed.filter((place) => environment === undefined || place.environment === environment);
  const taken = await deps.work.write(call, async (tx) => {
    const review = await nextReview(tx, { places, ...(endpoint === undefined ? {} : { endpoint }) });
    return review && { review, claim: await claimShown(tx, review) };
  });
  return taken && show(deps, call, taken);
}

/**
 * Opens one review: takes it where it waits for a person, and shows it again to who has it.
 *
 * @throws PortolanError `oversight.not_claimed` where others have it, or it is closed; `oversight.person_needed`, `kernel.not_found`
 */
export async function openReview(deps: DecideDeps, call: CallContext, id: string): Promise<ReviewCase> {
  requirePerson(call);
  await requireReview(deps, call, id, "reviews:decide");
  const taken = await deps.work.write(call, async (tx) => {
    const review = await current(tx, id);
    const own = await findClaim(tx.sql, id, call.actor.id);
    // What this person has said of it they may look at again.
    if (own && own.concluded_at !== null) return { review, claim: await recordShown(tx, review, own) };
    await requireFree(tx, review);
    return { review, claim: await claimShown(tx, review) };
  });
  return show(deps, call, taken);
}

/**
 * Records what a person decides before they see the model's answer; then shows it. It cannot be changed.
 *
 * @throws PortolanError `oversight.not_claimed`, `oversight.already_decided`, `oversight.bad_value`, `kernel.not_found`
 */
export async function decideReview(
  deps: DecideDeps,
  call: CallContext,
  id: string,
  value: LabelValue,
): Promise<ReviewCase> {
  requirePerson(call);
  requireFitting(wantedOf(await requireReview(deps, call, id, "reviews:decide")), value);
  const decided = await deps.work.write(call, async (tx) => {
    const { review, claim } = await ownClaim(tx, id);
    if (claim.first_value !== null)
      throw refused(
        "oversight.already_decided",
        `your decision on ${id} is recorded, and the answer was shown`,
        "Conclude the review: keep your decision, or take another with its reason.",
      );
    await storeFirst(tx, id, value);
    await tx.record({
      event: "oversight.review.decided",
      subject: id,
      detail: { predictionId: review.prediction_id, answerShown: true },
    });
    return { review, claim: { ...(await renew(tx, id)), first_value: value } };
  });
  return show(deps, call, decided);
}

/**
 * Ends a person's part: they keep their decision, or take another now that they have seen the answer. The last one's closes the review, and what they agree on becomes a label.
 *
 * @throws PortolanError `oversight.not_decided`, `oversight.reason_missing`, `oversight.not_claimed`, `oversight.already_decided`, `oversight.bad_value`, `kernel.not_found`
 */
export async function concludeReview(
  deps: DecideDeps,
  call: CallContext,
  id: string,
  conclusion: Conclusion,
): Promise<Concluded> {
  requirePerson(call);
  await requireReview(deps, call, id, "reviews:decide");
  const concluded = await deps.work.write(call, async (tx) => {
    const { review, claim } = await ownClaim(tx, id);
    if (claim.first_value === null)
      throw refused(
        "oversight.not_decided",
        `nothing is decided of ${id} yet`,
        "Decide first, without the model's answer: it is shown then.",
      );
    const value = conclusion.value ?? claim.first_value;
    requireFitting(wantedOf(review), value);
    const overrides = review.answer === null ? null : !sameLabel(value, review.answer);
    requireReason(conclusion, overrides === true);
    const { comment = null } = conclusion;
    const reason = overrides === false ? null : (conclusion.reason ?? null);
    await storeConclusion(tx, id, { value, reason, comment });
    const label = await settleNow(deps.labels, tx, review);
    await tx.record({
      event: "oversight.review.concluded",
      subject: id,
      detail: { predictionId: review.prediction_id, overrides, ...(reason === null ? {} : { reason }) },
    });
    const after = await current(tx, id);
    return { review: viewReview(after, tx.now), value, overrides, label: label ?? null };
  });
  if (concluded.review.state === "closed") await deps.labels.join(asControl(call));
  return concluded;
}

function wantedOf({ task, list_rows: rows, classes }: ReviewRow): Wanted {
  return { task, rows, classes };
}

function requireReason({ reason, comment }: Conclusion, isOverride: boolean): void {
  if (isOverride && reason === undefined)
    throw refused(
      "oversight.reason_missing",
      "the decision is not the model's",
      "Say why: wrong_input, missing_context, model_error, policy, unfair, or other with a comment.",
    );
  if (reason === "other" && (comment ?? "").trim() === "")
    throw refused("oversight.reason_missing", "the reason is other", "Say in a comment what it is.");
}

/** Closes the review where enough people have concluded. @returns the label that they agreed on */
async function settleNow(
  labels: Labels,
  tx: Transaction,
  review: ReviewRow,
): Promise<LabelValue | undefined> {
  const claims = await concludedClaims(tx.sql, [review.id]);
  const values = claims.flatMap(({ value }) => (value === null ? [] : [value]));
  const settlement = settle(values, review.people);
  if (settlement.kind === "waiting") return undefined;
  if (settlement.kind === "ask") {
    await settleReview(tx, review.id, { people: settlement.people });
    return undefined;
  }
  const { label } = settlement;
  await settleReview(tx, review.id, { label });
  if (label === null) return undefined;
  const { prediction_id: predictionId, environment } = review;
  await labels.add(tx, { predictionId, environment, outcome: label, source: "review" });
  return label;
}

async function claimShown(tx: Transaction, review: ReviewRow): Promise<ClaimRow> {
  return recordShown(tx, review, await renew(tx, review.id));
}

/** Every look at a request is on the ledger before it is given. */
async function recordShown(tx: Transaction, review: ReviewRow, claim: ClaimRow): Promise<ClaimRow> {
  const detail = { predictionId: review.prediction_id, answerShown: claim.first_value !== null };
  await tx.record({ event: "oversight.case.shown", subject: review.id, detail });
  return claim;
}

function renew(tx: Transaction, id: string): Promise<ClaimRow> {
  return holdClaim(tx, id, addMicros(tx.now, leaseMicros));
}

/** The caller's claim on an open review; one whose lease has ended is theirs while nobody else took the place. */
async function ownClaim(
  tx: Transaction,
  id: string,
): Promise<{ readonly review: ReviewRow; readonly claim: ClaimRow }> {
  const review = await current(tx, id);
  const claim = await findClaim(tx.sql, id, tx.call.actor.id);
  if (claim && claim.concluded_at !== null)
    throw refused("oversight.already_decided", `you have concluded ${id}`, "Take the next one.");
  if (!claim) throw notClaimed(id, "you have not opened it");
  await requireFree(tx, review);
  return { review, claim };
}

async function requireFree(tx: Transaction, { id, state, people }: ReviewRow): Promise<void> {
  if (state !== "open") throw notClaimed(id, `it is ${state}`);
  if ((await othersOn(tx, id)) >= people) throw notClaimed(id, "somebody else has it");
}

function notClaimed(id: string, why: string): PortolanError<OversightErrorCode> {
  return refused("oversight.not_claimed", `${id}: ${why}`, "Take the next one.");
}

async function current({ sql, call }: Transaction, id: string): Promise<ReviewRow> {
  const found = await findReview(sql, call.actor.organisationId, id);
  if (!found) throw new PortolanError("kernel.not_found", { detail: `there is no review ${id}` });
  return found;
}

function show(
  { records, clock }: DecideDeps,
  call: CallContext,
  { review, claim }: { readonly review: ReviewRow; readonly claim: ClaimRow },
): Promise<ReviewCase> {
  return viewCase(records, asControl(call), review, claim, clock.now());
}

/** Who reviews need not be allowed to read predictions: the review shows what they need, and is on the ledger. */
function asControl({ actor, requestId }: CallContext): CallContext {
  return { actor: systemActor("control", actor.organisationId), requestId };
}

function refused(code: OversightErrorCode, detail: string, mend: string): PortolanError<OversightErrorCode> {
  return new PortolanError(code, { detail, mend });
}
