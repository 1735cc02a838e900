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
  /** Reported before with the same value: nothing changed. */
  readonly duplicates: number;
  /** Reported before with another value: the first one stays. */
  readonly conflicts: readonly string[];
}

/**
 * Stores a batch of labels; all or none. Idempotent by prediction. A label may come before its prediction has been
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

function readAll(outcomes: readonly Outcome[]): NewOutcome[] {
  const violations: Violation[] = [];
  const rows: NewOutcome[] = [];
  for (const [i, { predictionId, outcome, observedAt }] of outcomes.entries()) {
    const position = parsePredictionId(predictionId);
    const at = readInstant(observedAt);
    if (!position)
      violations.push({ detail: "not a prediction id", at: { pointer: `/outcomes/${i}/predictionId` } });
    if (at === undefined)
      violations.push({ detail: "not an instant", at: { pointer: `/outcomes/${i}/observedAt` } });
    if (!position || at === undefined) continue;
    const { writerId, epoch, block } = position;
    const place = { writer_id: writerId, epoch, block };
    rows.push({ ...place, prediction_id: predictionId, outcome: JSON.stringify(outcome), observed_at: at });
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
