import { messageOf } from "@portolan/kernel";
import { readQuantityRows, readRows } from "./read-rows.ts";
import { openRows, scoreRows } from "./run-rows.ts";
import type { ScoreJob, ScoreReply } from "./score-messages.ts";

/**
 * Runs one model over held-out rows in a process of its own: an unproven model may crash or hang this process, and
 * nothing else.
 */

process.once("message", (job: ScoreJob) => {
  score(job)
    .catch((error: unknown): ScoreReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function score(job: ScoreJob): Promise<ScoreReply> {
  const rows = await (job.labels === "classes" ? readRows(job) : readQuantityRows(job));
  const scores = await scoreRows(await openRows(job.modelPath), rows.features, rows.count);
  return {
    kind: "scored",
    scores,
    labels: rows.labels,
    ...(rows.baseline ? { baseline: rows.baseline } : {}),
    ...(rows.slices ? { slices: rows.slices } : {}),
  };
}
