import type {
  ByteRemoval,
  CallContext,
  Digest,
  ObjectStore,
  OtherHolder,
  UnitOfWork,
} from "@portolan/kernel";
import {
  deleteReferences,
  insertReferences,
  isReferenced,
  listHeld,
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
  };
}

/**
 * The row `leaving` is written in the transaction that finds no reference. Transactions are serializable: whoever notes the bytes either came
 * before, and is found, or comes after, and finds the row (`note` of the catalogue).
 */
async function discard(
  { work, objects, otherHolders }: ByteRemovalDeps,
  call: CallContext,
  digest: Digest,
): Promise<"removed" | "held"> {
  const isFree = await work.write(call, async (tx) => {
    if (await isReferenced(tx.sql, digest)) return false;
    for (const holds of otherHolders) if (await holds(tx.sql, digest)) return false;
    await markRemoved(tx.sql, { digest, state: "leaving", changed_at: tx.now });
    return true;
  });
  if (!isFree) return "held";
  await objects.remove(digest);
  await work.write(call, (tx) => markRemoved(tx.sql, { digest, state: "gone", changed_at: tx.now }));
  return "removed";
}
