import type { Sql, Transaction } from "@portolan/kernel";
import { addAnswers, answerCountsOf } from "./answers-store.ts";
import type { AnswerCounts } from "./count-answers.ts";
import type { CountedArm } from "./count-records.ts";
import { noCounts } from "./judge-guards.ts";
import { outcomeCountsOf } from "./outcomes-store.ts";
import { tables } from "./store.ts";

/** What a block of the prediction log says of a release. */
export interface BlockCounts {
  readonly writerId: string;
  readonly epoch: number;
  readonly block: number;
  readonly arms: readonly CountedArm[];
  /** Where the plan asks what was said. */
  readonly answers: readonly AnswerCounts[];
}

/** Adds it to what is counted; the same block again adds nothing. */
export async function addCounts(sql: Sql, releaseId: string, counts: BlockCounts): Promise<void> {
  const { writerId, epoch, block, arms, answers } = counts;
  const marked = await tables(sql)
    .insertInto("rollout.counted_blocks")
    .values({ release_id: releaseId, writer_id: writerId, epoch, block })
    .onConflict((conflict) => conflict.doNothing())
    .returning("block")
    .execute();
  if (marked.length === 0) return;
  await addAnswers(sql, releaseId, answers);
  for (const { snapshotVersion, arm, ...added } of arms)
    await tables(sql)
      .insertInto("rollout.counts")
      .values({ release_id: releaseId, snapshot_version: snapshotVersion, arm, ...added })
      .onConflict((conflict) =>
        conflict.columns(["release_id", "snapshot_version", "arm"]).doUpdateSet((set) => ({
          requests: set("rollout.counts.requests", "+", set.ref("excluded.requests")),
          errors: set("rollout.counts.errors", "+", set.ref("excluded.errors")),
          slow: set("rollout.counts.slow", "+", set.ref("excluded.slow")),
          fallbacks: set("rollout.counts.fallbacks", "+", set.ref("excluded.fallbacks")),
        })),
      )
      .execute();
}

/** All that was counted of a release, by arm and snapshot. */
export async function countsOf(sql: Sql, releaseId: string): Promise<CountedArm[]> {
  const rows = await tables(sql)
    .selectFrom("rollout.counts")
    .select(["snapshot_version", "arm", "requests", "errors", "slow", "fallbacks"])
    .where("release_id", "=", releaseId)
    .execute();
  const posted = await tables(sql)
    .selectFrom("rollout.posted_events")
    .select(["snapshot_version", "arm", "event"])
    .select((select) => select.fn.countAll<number>().as("events"))
    .where("release_id", "=", releaseId)
    .groupBy(["snapshot_version", "arm", "event"])
    .execute();
  const outcomes = await outcomeCountsOf(sql, releaseId);
  const answers = await answerCountsOf(sql, releaseId);
  return [
    ...answers.map((one) => ({ ...noCounts, ...one })),
    ...outcomes.map((one) => ({ ...noCounts, ...one })),
    ...rows.map(({ snapshot_version: snapshotVersion, ...counts }) => ({ ...counts, snapshotVersion })),
    ...posted.map(({ snapshot_version: snapshotVersion, arm, event, events }) => ({
      ...noCounts,
      snapshotVersion,
      arm,
      posted: { [event]: Number(events) },
    })),
  ];
}

/** An event from elsewhere, of the request that it follows from. */
export interface PostedEvent extends Pick<CountedArm, "snapshotVersion" | "arm"> {
  readonly event: string;
  /** Digest of the prediction's id. */
  readonly prediction: string;
}

/** Adds those that were not reported before. @returns the digests of their predictions */
export async function addEvents(
  { sql, call, now }: Transaction,
  releaseId: string,
  events: readonly PostedEvent[],
): Promise<string[]> {
  const added = await tables(sql)
    .insertInto("rollout.posted_events")
    .values(
      events.map(({ event, prediction, snapshotVersion, arm }) => ({
        release_id: releaseId,
        event,
        prediction_digest: prediction,
        snapshot_version: snapshotVersion,
        arm,
        reported_by: call.actor.id,
        reported_at: now,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .returning("prediction_digest")
    .execute();
  return added.map((row) => row.prediction_digest);
}

/** Forgets which blocks are counted: of a release that has ended none is. */
export async function forgetBlocks(sql: Sql, releaseId: string): Promise<void> {
  await tables(sql).deleteFrom("rollout.counted_blocks").where("release_id", "=", releaseId).execute();
}
