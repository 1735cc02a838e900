import type { Digest, ObjectStore, Sql } from "@portolan/kernel";
import { removedAmong } from "./artifact-store.ts";

/**
 * The first of these bytes that was stored and is gone again, or about to go, before anything named it: the last who held equal bytes had
 * them removed just then. To be asked in the transaction that makes something name them.
 */
export async function goneAmong(
  sql: Sql,
  objects: ObjectStore,
  digests: readonly Digest[],
): Promise<Digest | undefined> {
  for (const { digest, state } of await removedAmong(sql, digests))
    if (state === "leaving" || !(await objects.has(digest as Digest))) return digest as Digest;
  return undefined;
}
