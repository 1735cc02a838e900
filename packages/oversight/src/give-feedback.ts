import {
  type Authorizer,
  type CallContext,
  digestJson,
  newId,
  PortolanError,
  type RecordBatch,
  requireSeen,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { Feedback, FeedbackReceipt, FeedbackSummary } from "./contract.ts";
import type { OversightErrorCode } from "./errors.ts";
import { insertFeedback, listFeedbackPlaces, summariseFeedback } from "./feedback-store.ts";
import { requireListOf } from "./label-values.ts";
import type { Labels, Records } from "./ports.ts";
import { rowsIn } from "./record-values.ts";

export interface FeedbackDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly records: Records;
  readonly labels: Labels;
  readonly recordBatch: RecordBatch;
}

/**
 * Keeps what a caller or user says of an answer; the same again changes nothing. A correction or override is a label too where the caller may report outcomes, until a review
 * or a reported outcome says better.
 *
 * @throws PortolanError `oversight.bad_feedback`, `oversight.bad_value` for relevances of an answer that is no such list, `kernel.not_found` for a prediction that is not there yet or may not be spoken of
 */
export async function giveFeedback(
  deps: FeedbackDeps,
  call: CallContext,
  feedback: Feedback,
): Promise<FeedbackReceipt> {
  requireWhole(feedback);
  const { header, payload } = await requirePrediction(deps, call, feedback.predictionId);
  if (feedback.value !== undefined) requireListOf(rowsIn(payload?.outputs), feedback.value);
  const { organisationId } = call.actor;
  const { useCaseId, environment } = header.context;
  const resource = { type: "Outcome", organisationId, useCaseId, environment };
  const isLabel =
    feedback.kind !== "rating" && (await deps.authorizer.decide(call, "outcomes:write", resource)).allowed;
  const receipt = await deps.work.write(call, async (tx) => {
    const { predictionId, value } = feedback;
    const digest = digestJson({ ...feedback, by: call.actor.id, onBehalfOf: call.onBehalfOf ?? null });
    const id = newId("feedback", tx.now);
    const kept = await insertFeedback(tx, { id, header, feedback, isLabel, digest });
    if (kept.id !== id) return { ...kept, isNew: false };
    if (isLabel && value !== undefined)
      await deps.labels.add(tx, { predictionId, environment, outcome: value, source: "feedback" });
    const event = "oversight.feedback.given";
    await deps.recordBatch(tx, {
      event,
      subject: id,
      digest,
      count: 1,
      key: id,
      detail: { kind: feedback.kind },
    });
    return { ...kept, isNew: true };
  });
  if (receipt.isNew && isLabel)
    await deps.labels.join({ actor: systemActor("control", organisationId), requestId: call.requestId });
  return receipt;
}

function requireWhole({ kind, rating, value }: Feedback): void {
  const isWhole =
    kind === "rating"
      ? rating !== undefined && value === undefined
      : value !== undefined && rating === undefined;
  if (isWhole) return;
  throw new PortolanError<OversightErrorCode>("oversight.bad_feedback", {
    detail: kind === "rating" ? "a rating has a rating and no value" : `a ${kind} has a value and no rating`,
    mend: "Send a rating of 1 to 5, or what would have been right as value; each as feedback of its own.",
  });
}

async function requirePrediction(
  { records, authorizer }: FeedbackDeps,
  call: CallContext,
  predictionId: string,
): Promise<StoredPrediction> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", {
      detail: `there is no prediction ${predictionId}`,
      mend: "Gateways deliver within seconds: try again then, and check the id.",
    });
  const { organisationId } = call.actor;
  const asControl: CallContext = { actor: systemActor("control", organisationId), requestId: call.requestId };
  const found = await records.find(asControl, predictionId);
  if (!found) throw missing();
  const { useCaseId, environment } = found.header.context;
  const resource = { type: "Prediction", id: predictionId, organisationId, useCaseId, environment };
  await requireSeen(authorizer, call, { action: "feedback:write", resource }, missing);
  return found;
}

/** What was said of an endpoint's versions, as far as the caller may read outcomes. */
export async function readFeedback(
  { work, authorizer }: Pick<FeedbackDeps, "work" | "authorizer">,
  call: CallContext,
  endpoint: string,
): Promise<FeedbackSummary> {
  const { organisationId } = call.actor;
  const places = await work.read(call, (sql) => listFeedbackPlaces(sql, organisationId, endpoint));
  const seen: typeof places = [];
  for (const place of places) {
    const resource = { type: "Outcome", organisationId, ...place };
    if ((await authorizer.decide(call, "outcomes:read", resource)).allowed) seen.push(place);
  }
  const versions = await work.read(call, (sql) => summariseFeedback(sql, organisationId, endpoint, seen));
  return { endpoint, versions };
}
