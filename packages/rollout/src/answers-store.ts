import type { Sql } from "@portolan/kernel";
import type { AnswerCounts } from "./count-answers.ts";
import { tables } from "./store.ts";

/** Adds answers to what is counted of a release. */
export async function addAnswers(
  sql: Sql,
  releaseId: string,
  counts: readonly AnswerCounts[],
): Promise<void> {
  const rows = counts.flatMap(({ snapshotVersion, arm, cells }) =>
    cells.flatMap((answers, cell) =>
      answers === 0 ? [] : [{ release_id: releaseId, snapshot_version: snapshotVersion, arm, cell, answers }],
    ),
  );
  if (rows.length === 0) return;
  await tables(sql)
    .insertInto("rollout.answer_counts")
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(["release_id", "snapshot_version", "arm", "cell"]).doUpdateSet((set) => ({
        answers: set("rollout.answer_counts.answers", "+", set.ref("excluded.answers")),
      })),
    )
    .execute();
}

/** All that was counted of a release, by arm and snapshot. */
export async function answerCountsOf(sql: Sql, releaseId: string): Promise<AnswerCounts[]> {
  const rows = await tables(sql)
    .selectFrom("rollout.answer_counts")
    .select(["snapshot_version", "arm", "cell", "answers"])
    .where("release_id", "=", releaseId)
    .orderBy("snapshot_version")
    .orderBy("arm")
    .execute();
  return rows.map(({ snapshot_version: snapshotVersion, arm, cell, answers }) => {
    const cells = Array.from({ length: cell + 1 }, (_, at) => (at === cell ? answers : 0));
    return { snapshotVersion, arm, cells };
  });
}
