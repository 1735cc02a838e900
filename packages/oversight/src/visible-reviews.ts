import {
  type Authorizer,
  type CallContext,
  PortolanError,
  type ResourceRef,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { OversightErrorCode } from "./errors.ts";
import { findReview, listReviewPlaces, type ReviewPlace, type ReviewRow } from "./review-store.ts";

export interface VisibleDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
}

export type ReviewAction = "reviews:read" | "reviews:decide";

/** Where there are reviews and the caller may do this; a role may be held in one use case alone. Who holds none at all is refused at the door. */
export async function placesAllowing(
  { work, authorizer }: VisibleDeps,
  call: CallContext,
  action: ReviewAction,
): Promise<ReviewPlace[]> {
  const { organisationId, environments } = call.actor;
  const everywhere = await work.read(call, (sql) => listReviewPlaces(sql, organisationId, environments));
  const places: ReviewPlace[] = [];
  for (const place of everywhere) {
    const resource = { type: "Prediction", organisationId, ...place };
    if ((await authorizer.decide(call, action, resource)).allowed) places.push(place);
  }
  return places;
}

/** @throws PortolanError `kernel.not_found` for a review that is not there or may not be seen, and what `Authorizer.require` throws */
export async function requireReview(
  { work, authorizer }: VisibleDeps,
  call: CallContext,
  id: string,
  action: ReviewAction,
): Promise<ReviewRow> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no review ${id}` });
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) => findReview(sql, organisationId, id));
  if (!found) throw missing();
  await requireSeen(authorizer, call, { action, resource: resourceOf(call, found) }, missing);
  return found;
}

function resourceOf(
  call: CallContext,
  { use_case_id: useCaseId, environment, prediction_id: id }: ReviewRow,
): ResourceRef {
  return { type: "Prediction", id, organisationId: call.actor.organisationId, useCaseId, environment };
}

/** @throws PortolanError `oversight.person_needed` */
export function requirePerson({ actor }: CallContext): void {
  if (actor.kind === "user") return;
  throw new PortolanError<OversightErrorCode>("oversight.person_needed", {
    detail: `${actor.id} is no person`,
    mend: "Let somebody who holds the role reviewer sign in and decide.",
  });
}
