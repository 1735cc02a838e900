import type {
  ByteRemoval,
  CallContext,
  Digest,
  EpochMicros,
  ObjectStore,
  OtherHolder,
  Sql,
  UnitOfWork,
} from "@portolan/kernel";
import {
  deleteReferences,
  insertReferences,
  isReferenced,
  leavingSince,
  listHeld,
  lockLeaving,
  markRemoved,
  referencesTo,
} from "./artifact-store.ts";
import { goneAmong } from "./gone-bytes.ts";

export interface ByteRemovalDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
  /** Whatever names bytes without noting a reference, such as tables that come with a contract. */
  readonly otherHolders: readonly OtherHolder[];
}

/** Removal over the rows of `registry.artifact_references`. */
export function createByteRemoval(deps: ByteRemovalDeps): ByteRemoval {
  return {
    held: listHeld,
    succeed: async (tx, environments, { before, after }) => {
      const { organisationId } = tx.call.actor;
      if (after !== undefined && after !== before) {
        if ((await goneAmong(tx.sql, deps.objects, [after])) !== undefined) return "gone";
        const rows = await referencesTo(tx.sql, organisationId, before, environments);
        await insertReferences(
          tx.sql,
          rows.map((row) => ({ ...row, digest: after })),
        );
      }
      if (after !== before) await deleteReferences(tx.sql, organisationId, before, environments);
      return "moved";
    },
    release: (tx, environments, digest, kinds) =>
      deleteReferences(tx.sql, tx.call.actor.organisationId, digest, environments, kinds),
    discard: (call, digest) => discard(deps, call, digest),
    finishRemovals: (call, begunBefore) => finishRemovals(deps, call, begunBefore),
  };
}

/**
 * The row `leaving` is written in the transaction that finds no reference. Transactions are serializable: whoever notes the bytes either came
 * before, and is found, or comes after, and finds the row (`note` of the catalogue).
 */
async function discard(
  deps: ByteRemovalDeps,
  call: CallContext,
  digest: Digest,
): Promise<"removed" | "held"> {
  const isFree = await deps.work.write(call, async (tx) => {
    if (await isHeld(deps, tx.sql, digest)) return false;
    await markRemoved(tx.sql, { digest, state: "leaving", changed_at: tx.now });
    return true;
  });
  return isFree ? finish(deps, call, digest) : "held";
}

/**
 * Removes the file while it has the lock of the row `leaving`. Several may be at it, of several organisations: who gets the lock later finds the
 * row `gone`, and leaves alone a file that somebody has stored and noted since. Run again after a conflict it is still right, for until the row is
 * `gone` nobody notes the bytes.
 */
function finish(deps: ByteRemovalDeps, call: CallContext, digest: Digest): Promise<"removed" | "held"> {
  return deps.work.write(call, async (tx) => {
    const isLeaving = await lockLeaving(tx.sql, digest);
    if (await isHeld(deps, tx.sql, digest)) {
      // A contract that came with these bytes meanwhile. Who notes bytes that are `gone` is asked whether they are there.
      if (isLeaving) await markRemoved(tx.sql, { digest, state: "gone", changed_at: tx.now });
      return "held";
    }
    if (isLeaving) {
      await deps.objects.remove(digest);
      await markRemoved(tx.sql, { digest, state: "gone", changed_at: tx.now });
    }
    return "removed";
  });
}

/** A file that cannot be removed today, such as of a disk that became read-only, keeps no other from it. */
async function finishRemovals(
  deps: ByteRemovalDeps,
  call: CallContext,
  begunBefore: EpochMicros,
): Promise<number> {
  const digests = await deps.work.read(call, (sql) => leavingSince(sql, begunBefore));
  const ends = [];
  for (const digest of digests) ends.push(...(await Promise.allSettled([finish(deps, call, digest)])));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
  return ends.length;
}

async function isHeld({ otherHolders }: ByteRemovalDeps, sql: Sql, digest: Digest): Promise<boolean> {
  if (await isReferenced(sql, digest)) return true;
  for (const holds of otherHolders) if (await holds(sql, digest)) return true;
  return false;
}
