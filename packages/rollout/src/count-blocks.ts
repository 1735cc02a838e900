import { type CallContext, type Id, systemActor, type UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock } from "@portolan/predictions/contract";
import { countedOf, countRecords } from "./count-records.ts";
import { addCounts } from "./counts-store.ts";
import { openReleases, type StoredRelease } from "./store.ts";

export interface CountDeps {
  readonly work: UnitOfWork;
  readonly wake: () => void;
}

/**
 * Counts what accepted blocks say of the releases under way. It is done before the gateway is told that it may forget them, and each block
 * counts once: a block that comes again, or whose counting a crash cut off, is counted where it is not yet.
 */
export async function countBlocks(
  { work, wake }: CountDeps,
  { requestId }: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  const organisations = new Set(
    blocks.flatMap(({ headers }) => headers.map(({ context }) => context.organisationId)),
  );
  for (const organisation of organisations) {
    const organisationId = organisation as Id<"organisation">;
    const call: CallContext = { actor: systemActor("control", organisationId), requestId };
    const releases = await work.read(call, (sql) => openReleases(sql, organisationId));
    const counted = releases.flatMap((release) => blocks.map((block) => countBlock(release, block)));
    const found = counted.filter(({ arms }) => arms.length > 0);
    if (found.length === 0) continue;
    await work.write(call, async (tx) => {
      for (const { releaseId, ...counts } of found) await addCounts(tx.sql, releaseId, counts);
    });
    wake();
  }
}

function countBlock(release: StoredRelease, { writerId, epoch, block, headers }: AcceptedBlock) {
  const own = headers.filter(({ context }) => context.organisationId === release.organisationId);
  return { releaseId: release.id, writerId, epoch, block, arms: countRecords(own, countedOf(release)) };
}
