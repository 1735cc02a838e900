import type { CallContext } from "@portolan/kernel";
import type { StoredPrediction } from "@portolan/predictions/contract";
import type { RevealedAnswer, ReviewCase, ReviewItem } from "./contract.ts";
import type { Records } from "./ports.ts";
import { listedRows, listScores, namedValues, readableText } from "./record-values.ts";
import type { ClaimRow, ReviewRow } from "./review-store.ts";

/** A review as everybody may see it who may see reviews: neither what the model said nor what anybody decided. */
export function viewReview(row: ReviewRow, now: number): ReviewItem {
  return {
    id: row.id,
    predictionId: row.prediction_id,
    useCaseId: row.use_case_id,
    endpoint: row.endpoint,
    environment: row.environment,
    model: row.model_name,
    version: row.model_version,
    task: row.task,
    ...(row.list_rows === null ? {} : { rows: row.list_rows }),
    ...(row.classes === null ? {} : { classes: [...row.classes] }),
    reasons: [...row.reasons],
    priority: row.priority,
    receivedAt: row.received_at,
    queuedAt: row.queued_at,
    dueAt: row.due_at,
    isOverdue: row.state === "open" && row.due_at < now,
    people: row.people,
    concluded: row.concluded,
    state: row.state,
    closedAt: row.closed_at,
  };
}

/** What this person may see of it now: the request at once, the answer once their own decision is recorded. */
export async function viewCase(
  records: Records,
  call: CallContext,
  review: ReviewRow,
  claim: ClaimRow,
  now: number,
): Promise<ReviewCase> {
  const record = await records.find(call, review.prediction_id);
  return {
    review: viewReview(review, now),
    leaseUntil: claim.lease_until,
    ...viewRequest(review, record),
    ...(claim.first_value === null ? {} : { own: claim.first_value, answer: viewAnswer(review, record) }),
  };
}

function viewRequest(
  { task }: ReviewRow,
  record: StoredPrediction | undefined,
): Pick<ReviewCase, "inputs" | "features" | "list" | "text" | "withheld"> {
  const payload = record?.payload;
  const features = (payload?.features ?? []).map(({ name, value }) => ({ name, value }));
  if (!payload) return { inputs: [], features, withheld: record?.withheld ?? "erased" };
  const inputs = namedValues(payload.inputs, "inputs");
  if (inputs) return { inputs, features };
  const list = task === "ranking" ? listedRows(payload.inputs) : undefined;
  if (list) return { inputs: [], features, list };
  const text = readableText(payload.inputs);
  return { inputs: [], features, ...(text === undefined ? { withheld: "not_readable" } : { text }) };
}

function viewAnswer({ answer, task }: ReviewRow, record: StoredPrediction | undefined): RevealedAnswer {
  const outputs = record?.payload?.outputs;
  const values = namedValues(outputs, "outputs");
  const scores = task === "ranking" ? listScores(outputs) : undefined;
  if (scores) return { value: answer, outputs: [], scores };
  const text = values ? undefined : readableText(outputs);
  return { value: answer, outputs: values ?? [], ...(text === undefined ? {} : { text }) };
}
