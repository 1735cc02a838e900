import {
  type Authorizer,
  type CallContext,
  digestJson,
  environmentsAllowing,
  PortolanError,
  parseInstant,
  type RecordBatch,
  type UnitOfWork,
  type Violation,
} from "@portolan/kernel";
import type { PartFiles } from "../archive/part-files.ts";
import type { Outcome } from "../contract.ts";
import { parsePredictionId } from "../format/position.ts";
import { findEarlier, insertOutcome, joinOutcomes, type NewOutcome } from "./outcome-store.ts";

export interface OutcomeDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly files: PartFiles;
  readonly recordBatch: RecordBatch;
}

export interface OutcomeReport {
  readonly stored: number;
  /** Reported before under the same revision with the same value: nothing changed. */
  readonly duplicates: number;
  /** Reported before under the same revision with another value: the first one stays. A correction has a higher revision. */
  readonly conflicts: readonly string[];
}

/**
 * Stores a batch of labels; all or none. Idempotent by prediction and revision; the highest revision counts. A label may come before its prediction has been
 * delivered: it is joined then. A label for a prediction of an environment in which the caller may report none is answered like
 * one for a prediction that is not there yet, and is never joined.
 * @throws PortolanError `kernel.bad_request` naming every entry that is not understood
 */
export async function reportOutcomes(
  deps: OutcomeDeps,
  call: CallContext,
  outcomes: readonly Outcome[],
): Promise<OutcomeReport> {
  const { organisationId } = call.actor;
  const reach = await environmentsAllowing(deps.authorizer, call, "outcomes:write", {
    type: "Outcome",
    organisationId,
  });
  const rows = readAll(outcomes);
  const report = await deps.uow.write(call, async (tx) => {
    const conflicts: string[] = [];
    const stored: NewOutcome[] = [];
    for (const row of rows) {
      const before = await findEarlier(tx, row, reach);
      if (before === undefined) {
        await insertOutcome(tx, row, reach);
        stored.push(row);
      } else if (!before.same) conflicts.push(row.prediction_id);
    }
    if (stored.length > 0) {
      const digest = digestJson(stored.map((row) => ({ ...row })));
      const event = "predictions.outcomes.reported";
      await deps.recordBatch(tx, {
        event,
        subject: organisationId,
        digest,
        count: stored.length,
        key: call.requestId,
      });
    }
    return { stored: stored.length, duplicates: rows.length - stored.length - conflicts.length, conflicts };
  });
  await joinOutcomes(deps.uow, deps.files, call, organisationId);
  return report;
}

const valueMissing = "a label has an outcome, or retracted: true; not both, and not neither";

function readAll(outcomes: readonly Outcome[]): NewOutcome[] {
  const violations: Violation[] = [];
  const rows: NewOutcome[] = [];
  for (const [i, reported] of outcomes.entries()) {
    const { predictionId, outcome, observedAt, revision = 1, retracted = false } = reported;
    const position = parsePredictionId(predictionId);
    const at = readInstant(observedAt);
    if (!position)
      violations.push({ detail: "not a prediction id", at: { pointer: `/outcomes/${i}/predictionId` } });
    if (at === undefined)
      violations.push({ detail: "not an instant", at: { pointer: `/outcomes/${i}/observedAt` } });
    if (retracted === (outcome !== undefined))
      violations.push({ detail: valueMissing, at: { pointer: `/outcomes/${i}/outcome` } });
    if (!position || at === undefined) continue;
    const { writerId, epoch, block } = position;
    rows.push({
      writer_id: writerId,
      epoch,
      block,
      prediction_id: predictionId,
      revision,
      retracted,
      outcome: outcome === undefined ? null : JSON.stringify(outcome),
      observed_at: at,
    });
  }
  if (violations.length > 0) {
    const detail = `${violations.length} of ${outcomes.length} outcomes are not understood`;
    throw new PortolanError("kernel.bad_request", { detail, violations });
  }
  return rows;
}

function readInstant(text: string): number | undefined {
  try {
    return parseInstant(text);
  } catch {
    return undefined;
  }
}
