import { messageOf } from "@portolan/kernel";
import { type Rows, readQuantityRows, readRows } from "./read-rows.ts";
import { openRows, scoreClassRows, scoreRows } from "./run-rows.ts";
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
  if (job.labels === "several_classes") return scoreSeveral(job);
  const rows = await (job.labels === "classes" ? readRows(job) : readQuantityRows(job));
  const scores = await scoreRows(await openRows(job.modelPath), rows.features, rows.count);
  return { kind: "scored", scores, labels: rows.labels, ...besideOf(rows) };
}

async function scoreSeveral(job: ScoreJob): Promise<ScoreReply> {
  // Which numbers are classes is known once the model has answered.
  const rows = await readQuantityRows(job);
  const said = await scoreClassRows(await openRows(job.modelPath), rows.features, rows.labels);
  return { kind: "scored", ...said, ...besideOf(rows) };
}

function besideOf({ baseline, slices }: Pick<Rows, "baseline" | "slices">) {
  return { ...(baseline ? { baseline } : {}), ...(slices ? { slices } : {}) };
}
