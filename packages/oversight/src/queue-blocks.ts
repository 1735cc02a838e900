import {
  type CallContext,
  digestJson,
  type EpochMicros,
  type Id,
  newId,
  type RecordBatch,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import type { AcceptedBlock, StoredPrediction } from "@portolan/predictions/contract";
import type { Records, ReviewCharters } from "./ports.ts";
import { answerOf, rowsIn } from "./record-values.ts";
import { insertReviews, isSeen, markSeen, type NewReview } from "./review-store.ts";
import { isAnswer, type Selection, selectReview } from "./select-review.ts";

export interface QueueDeps {
  readonly work: UnitOfWork;
  readonly charters: ReviewCharters;
  readonly records: Records;
  /** `ledger`'s `recordBatchDigest`. */
  readonly recordBatch: RecordBatch;
}

type Terms = NonNullable<Awaited<ReturnType<ReviewCharters["termsFor"]>>>;

/**
 * Queues what accepted blocks hold for people, before the gateway is told that it may forget them. Each block is looked at once, by the charters in force then; a block that comes
 * again, or whose look a crash cut off, is looked at where it was not yet.
 */
export async function queueBlocks(
  deps: QueueDeps,
  { requestId }: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  for (const block of blocks) {
    const answers = block.headers.filter(isAnswer).map(({ context }) => context);
    for (const organisation of new Set(answers.map(({ organisationId }) => organisationId))) {
      const organisationId = organisation as Id<"organisation">;
      const call: CallContext = { actor: systemActor("control", organisationId), requestId };
      const own = answers.filter((context) => context.organisationId === organisationId);
      const terms = new Map<string, Terms>();
      for (const useCaseId of new Set(own.map((context) => context.useCaseId))) {
        const found = await deps.charters.termsFor(call, useCaseId);
        if (found) terms.set(useCaseId, found);
      }
      if (terms.size > 0) await queueBlock(deps, call, block, terms);
    }
  }
}

async function queueBlock(
  deps: QueueDeps,
  call: CallContext,
  block: AcceptedBlock,
  terms: ReadonlyMap<string, Terms>,
): Promise<void> {
  const { organisationId } = call.actor;
  if (await deps.work.read(call, (sql) => isSeen(sql, organisationId, block))) return;
  const found = (await deps.records.ofBlock(call, block)).flatMap((record) => {
    const of = terms.get(record.header.context.useCaseId);
    const selection = of && selectReview(record, of.review);
    return of && selection ? [{ record, of, selection }] : [];
  });
  await deps.work.write(call, async (tx) => {
    if (!(await markSeen(tx.sql, organisationId, block))) return;
    if (found.length === 0) return;
    const queued = found.map((one) => reviewOf(one.record, one.of, one.selection, tx.now));
    const ids = await insertReviews(tx.sql, queued);
    const { writerId, epoch, block: number } = block;
    await deps.recordBatch(tx, {
      event: "oversight.reviews.queued",
      subject: organisationId,
      digest: digestJson(queued.map((review) => review.prediction_id).toSorted()),
      count: ids.length,
      key: `reviews:${organisationId}:${writerId}/${epoch}/${number}`,
    });
  });
}

function reviewOf(
  { header, payload }: StoredPrediction,
  { review, task, classes }: Terms,
  { reasons, priority, people }: Selection,
  now: EpochMicros,
): NewReview {
  const { context, receivedAt } = header;
  return {
    id: newId("review", now),
    organisation_id: context.organisationId,
    prediction_id: header.id,
    use_case_id: context.useCaseId,
    endpoint: context.endpoint,
    environment: context.environment,
    model_name: context.model?.name ?? "",
    model_version: context.model?.version ?? "",
    task,
    list_rows: task === "ranking" ? (rowsIn(payload?.outputs) ?? null) : null,
    classes: task === "multiclass_classification" && classes?.length ? classes : null,
    reasons,
    priority,
    received_at: receivedAt,
    queued_at: now,
    due_at: now + review.dueWithinMs * 1000,
    answer: answerOf(task, payload?.outputs, classes) ?? null,
    people,
  };
}
