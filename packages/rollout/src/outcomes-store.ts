import type { CallContext, Environment, Sql, UnitOfWork } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { LabelledAnswer, OutcomeCounts } from "./count-outcomes.ts";
import { countOutcomes } from "./count-outcomes.ts";
import { countedOf } from "./count-records.ts";
import { type StoredRelease, tables } from "./store.ts";

type LabelView = {
  readonly organisation_id: string;
  readonly prediction_id: string;
  readonly endpoint: string;
  readonly environment: Environment;
  readonly model_name: string | null;
  readonly model_version: string | null;
  readonly variant: string;
  readonly received_at: number;
  readonly revision: number;
  readonly retracted: boolean;
  readonly outcome: unknown;
  readonly outputs: string | null;
  readonly snapshot_version: number | null;
};

/** Labels that are looked at; of more the newest predictions', and of large answers, as of lists, as many as are together no larger. */
const mostLabels = 50_000;
const mostBytes = 128 * 1024 * 1024;

/** Makes the counts of a release anew of the labels that are there now: corrections and retractions included. */
export async function refreshOutcomes(
  work: UnitOfWork,
  call: CallContext,
  release: StoredRelease,
): Promise<void> {
  const { wrong } = release.plan;
  if (!wrong) return;
  const { organisationId } = call.actor;
  const [answers, before] = await work.read(call, async (sql) => [
    await labelledAnswers(sql, organisationId, release),
    await outcomeCountsOf(sql, release.id),
  ]);
  const counts = countOutcomes(answers, countedOf(release), wrong);
  if (JSON.stringify(counts) === JSON.stringify(before)) return;
  await work.write(call, async ({ sql }) => {
    await tables(sql).deleteFrom("rollout.outcome_counts").where("release_id", "=", release.id).execute();
    if (counts.length === 0) return;
    await tables(sql)
      .insertInto("rollout.outcome_counts")
      .values(
        counts.map(({ snapshotVersion, arm, labelled, wrong: found }) => ({
          release_id: release.id,
          snapshot_version: snapshotVersion,
          arm,
          labelled,
          wrong: found,
        })),
      )
      .execute();
  });
}

/** In the order of `countOutcomes`. */
export async function outcomeCountsOf(sql: Sql, releaseId: string): Promise<OutcomeCounts[]> {
  const rows = await tables(sql)
    .selectFrom("rollout.outcome_counts")
    .select(["snapshot_version", "arm", "labelled", "wrong"])
    .where("release_id", "=", releaseId)
    .orderBy("snapshot_version")
    .orderBy("arm")
    .execute();
  return rows.map(({ snapshot_version: snapshotVersion, arm, labelled, wrong }) => ({
    snapshotVersion,
    arm,
    labelled,
    wrong,
  }));
}

/** The label of each prediction that counts now, of those since the release began. */
export async function labelledAnswers(
  sql: Sql,
  organisationId: string,
  { endpoint, environment, startedAt }: Pick<StoredRelease, "endpoint" | "environment" | "startedAt">,
  most = mostBytes,
): Promise<LabelledAnswer[]> {
  const latest = sql
    .withTables<{ "predictions.labels_v2": LabelView }>()
    .selectFrom("predictions.labels_v2")
    .distinctOn("prediction_id")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .where("environment", "=", environment)
    .where("received_at", ">=", startedAt)
    .where("snapshot_version", "is not", null)
    .orderBy("prediction_id")
    .orderBy("revision", "desc");
  const weighed = sql
    .selectFrom(latest.as("latest"))
    .selectAll()
    .select(
      raw<number>`sum(coalesce(octet_length(outputs), 0) + coalesce(pg_column_size(outcome), 0)) over (order by received_at desc, prediction_id)`.as(
        "bytes",
      ),
    )
    .where("retracted", "=", false);
  const rows = await sql
    .selectFrom(weighed.as("weighed"))
    .selectAll()
    .where(raw<boolean>`bytes <= ${most}`)
    .orderBy("received_at", "desc")
    .orderBy("prediction_id")
    .limit(mostLabels)
    .execute();
  return rows.map((row) => ({
    snapshotVersion: row.snapshot_version ?? 0,
    variant: row.variant,
    model: row.model_name ?? "",
    version: row.model_version ?? "",
    outcome: row.outcome,
    outputs: row.outputs,
  }));
}
