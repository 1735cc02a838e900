import type { CallContext, Environment, Transaction, UnitOfWork } from "@portolan/kernel";
import type { PartFiles } from "../archive/part-files.ts";
import { parsePredictionId } from "../format/position.ts";
import { countLabelsFrom, insertOutcome, joinOutcomes } from "./outcome-store.ts";

/** What a person says that the answer should have been. */
export interface LabelOfPerson {
  readonly predictionId: string;
  readonly environment: Environment;
  readonly outcome: number | boolean | string | readonly number[];
  readonly source: "review" | "feedback";
}

/**
 * Reported labels have the revisions from 1 on. A review's is 0, and there is one of each prediction; feedback's lie below, the newest highest. So a review
 * counts before feedback, and what really happened before both, in whatever order they come (ADR 0197).
 */
const reviewRevision = 0;
const firstFeedbackRevision = -1_000_000;

/**
 * Adds a label in the caller's transaction, which records it; `joinLabels` afterwards gives it what it needs of its prediction. A second review of a prediction adds
 * nothing.
 */
export async function addLabelOfPerson(tx: Transaction, label: LabelOfPerson): Promise<void> {
  const { predictionId, environment, outcome, source } = label;
  const position = parsePredictionId(predictionId);
  if (!position) return;
  const earlier = await countLabelsFrom(tx, predictionId, source);
  if (source === "review" && earlier > 0) return;
  const { writerId, epoch, block } = position;
  await insertOutcome(
    tx,
    {
      prediction_id: predictionId,
      writer_id: writerId,
      epoch,
      block,
      observed_at: tx.now,
      revision: source === "review" ? reviewRevision : firstFeedbackRevision + earlier,
      retracted: false,
      outcome: JSON.stringify(outcome),
    },
    [environment],
    source,
  );
}

/** Joins labels that were added since with their predictions; harmless to repeat. */
export function joinLabels(
  deps: { readonly uow: UnitOfWork; readonly files: PartFiles },
  call: CallContext,
): Promise<void> {
  return joinOutcomes(deps.uow, deps.files, call, call.actor.organisationId);
}
