import {
  type CallContext,
  type Clock,
  type Id,
  newId,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { type Expiring, expiringContents, markExpired, resizeArchive } from "../archive/archive-store.ts";
import type { PartFiles } from "../archive/part-files.ts";
import { activeHolds } from "./hold-store.ts";
import { forgetOutputs } from "./outcome-store.ts";

/** How long the charter in force keeps prediction records of a use case; `undefined`: no charter, nothing expires. */
export interface RetentionTerms {
  predictionsMs(call: CallContext, useCaseId: string): Promise<number | undefined>;
}

export interface RetentionDeps {
  readonly uow: UnitOfWork;
  readonly files: PartFiles;
  readonly clock: Clock;
  readonly terms: RetentionTerms;
  /** What else was derived from answers goes in the same transaction. */
  readonly onExpired?: (tx: Transaction, predictionIds: readonly string[]) => Promise<void>;
}

/**
 * Destroys salt and payload of what is older than its charter keeps it, archive by archive; headers, leaves and proofs stay (P21). Returns
 * how many records expired. What a crash interrupts is done again by the next round.
 */
export async function applyRetention(
  deps: RetentionDeps,
  organisations: readonly Id<"organisation">[],
): Promise<number> {
  let expired = 0;
  for (const organisationId of organisations) {
    const call: CallContext = {
      actor: systemActor("control", organisationId),
      requestId: newId("request", deps.clock.now()),
    };
    const kept = new Map<string, number | undefined>();
    for (const content of await deps.uow.read(call, (sql) => expiringContents(sql, organisationId))) {
      const { use_case_id: useCaseId } = content;
      if (!kept.has(useCaseId)) kept.set(useCaseId, await deps.terms.predictionsMs(call, useCaseId));
      const keptMs = kept.get(useCaseId);
      if (keptMs === undefined || content.last_at > deps.clock.now() - keptMs * 1000) continue;
      expired += await deps.files.inTurn(() => expire(deps, call, content, keptMs));
    }
  }
  return expired;
}

async function expire(
  deps: RetentionDeps,
  call: CallContext,
  content: Expiring,
  keptMs: number,
): Promise<number> {
  const { organisationId } = call.actor;
  const { archive_id: archiveId, archive_file: file, use_case_id: useCaseId, environment } = content;
  const holds = await deps.uow.read(call, (sql) => activeHolds(sql, organisationId));
  const which = { kind: "use_case", useCaseId, environment } as const;
  const { bytes, erased, held } = await deps.files.eraseInArchive(file, organisationId, which, holds);
  await deps.uow.write(call, async (tx) => {
    await markExpired(tx, content, held.length);
    if (bytes !== undefined) await resizeArchive(tx, file, bytes);
    await forgetOutputs(tx, erased);
    await deps.onExpired?.(tx, erased);
    const detail = {
      useCaseId,
      environment,
      records: content.record_count - held.length,
      held: held.length,
      keptMs,
    };
    await tx.record({ event: "predictions.retention.applied", subject: archiveId, detail });
  });
  return erased.length;
}
