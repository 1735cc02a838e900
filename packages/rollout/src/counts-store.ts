import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { CountedArm } from "./count-records.ts";
import { tables } from "./store.ts";

export interface BlockCounts {
  readonly writerId: string;
  readonly epoch: number;
  readonly block: number;
  readonly arms: readonly CountedArm[];
}

/** Adds what a block says of a release; the same block again adds nothing. */
export async function insertCounts(sql: Sql, releaseId: string, counts: BlockCounts): Promise<void> {
  const { writerId, epoch, block, arms } = counts;
  if (arms.length === 0) return;
  await tables(sql)
    .insertInto("rollout.counts")
    .values(
      arms.map(({ snapshotVersion, arm, requests, errors, slow, fallbacks }) => ({
        release_id: releaseId,
        writer_id: writerId,
        epoch,
        block,
        snapshot_version: snapshotVersion,
        arm,
        requests,
        errors,
        slow,
        fallbacks,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** All that was counted of a release, by arm and snapshot. */
export async function countsOf(sql: Sql, releaseId: string): Promise<CountedArm[]> {
  const sum = (column: "requests" | "errors" | "slow" | "fallbacks") =>
    raw<number>`sum(${raw.ref(column)})::bigint`.as(column);
  const rows = await tables(sql)
    .selectFrom("rollout.counts")
    .select(["snapshot_version", "arm", sum("requests"), sum("errors"), sum("slow"), sum("fallbacks")])
    .where("release_id", "=", releaseId)
    .groupBy(["snapshot_version", "arm"])
    .execute();
  return rows.map(({ snapshot_version: snapshotVersion, ...counts }) => ({ ...counts, snapshotVersion }));
}
