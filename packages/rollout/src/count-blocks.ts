import type { CallContext, UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock } from "@portolan/predictions/contract";
import { byOrganisation } from "@portolan/predictions/policy";
import { countAnswers } from "./count-answers.ts";
import { countedOf, countRecords } from "./count-records.ts";
import { addCounts, type BlockCounts } from "./counts-store.ts";
import type { BlockRecords } from "./ports.ts";
import { openReleases, type StoredRelease } from "./store.ts";

export interface CountDeps {
  readonly work: UnitOfWork;
  readonly records: BlockRecords;
  readonly wake: () => void;
}

/**
 * Counts what accepted blocks say of the releases under way. It is done before the gateway is told that it may forget them, and each block
 * counts once: a block that comes again, or whose counting a crash cut off, is counted where it is not yet.
 */
export async function countBlocks(
  { work, records, wake }: CountDeps,
  from: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  for (const { organisationId, call, blocks: ownBlocks } of byOrganisation(from, blocks)) {
    const releases = await work.read(call, (sql) => openReleases(sql, organisationId));
    const found: (BlockCounts & { readonly releaseId: string })[] = [];
    for (const block of ownBlocks) {
      const counted = releases.map((release) => ({ release, counts: countBlock(release, block) }));
      const own = counted.filter(({ counts }) => counts.arms.length > 0);
      // A block is read only where somebody asks what its answers say.
      const isRead = own.some(({ release }) => release.plan.divergence !== undefined);
      const read = isRead ? await records.ofBlock(call, block) : [];
      for (const { release, counts } of own) {
        const { divergence } = release.plan;
        const answers = divergence ? countAnswers(read, countedOf(release), divergence) : [];
        found.push({ ...counts, answers });
      }
    }
    if (found.length === 0) continue;
    await work.write(call, async (tx) => {
      for (const { releaseId, ...counts } of found) await addCounts(tx.sql, releaseId, counts);
    });
    wake();
  }
}

function countBlock(release: StoredRelease, { writerId, epoch, block, headers }: AcceptedBlock) {
  return { releaseId: release.id, writerId, epoch, block, arms: countRecords(headers, countedOf(release)) };
}
