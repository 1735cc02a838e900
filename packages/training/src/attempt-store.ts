import type { AdmissionQueue } from "@portolan/capacity/contract";
import { opensAt } from "@portolan/capacity/policy";
import type { EpochMicros, Sql } from "@portolan/kernel";
import type { AttemptEnding } from "./attempt-schema.ts";
import type { KeptAttempt } from "./lost-work.ts";
import type { TrainerUsage } from "./trainer-usage.ts";
import { timesAsked } from "./under-way-store.ts";

type AttemptTable = {
  run_id: string;
  attempt: number;
  started_at: number;
  seen_at: number;
  checkpoints: number;
  checkpoint_at: number | null;
  overdue_times: number;
  overdue_since: number | null;
  ended_at: number | null;
  ending: AttemptEnding | null;
  reason: string | null;
  cpu_micros: number | null;
  peak_memory_bytes: number | null;
};

/** Of `training.runs`, what is asked here. */
type RunColumns = {
  id: string;
  organisation_id: string;
  environment: string;
  state: string;
  priority: number;
  preemption_asked: string | null;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "training.attempts": AttemptTable; "training.runs": RunColumns }>();

/** The oldest first. */
export async function listAttempts(sql: Sql, runId: string): Promise<KeptAttempt[]> {
  const rows = await tables(sql)
    .selectFrom("training.attempts")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("attempt")
    .execute();
  return rows.map((row) => ({
    startedAt: row.started_at,
    seenAt: row.seen_at,
    checkpoints: row.checkpoints,
    ...(row.checkpoint_at === null ? {} : { checkpointAt: row.checkpoint_at }),
    overdueTimes: row.overdue_times,
    ...(row.overdue_since === null ? {} : { overdueSince: row.overdue_since }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    ...(row.ending === null ? {} : { ending: row.ending }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.cpu_micros === null || row.peak_memory_bytes === null
      ? {}
      : { used: { cpuMicros: row.cpu_micros, peakMemoryBytes: row.peak_memory_bytes } }),
  }));
}

/** Begins the next one; what a killed control left open ended when it was last looked at. Resolves to its number. */
export async function openAttempt(sql: Sql, runId: string, now: number): Promise<number> {
  await tables(sql)
    .updateTable("training.attempts")
    .set((eb) => ({
      ended_at: eb.ref("seen_at"),
      ending: "interrupted" as const,
      reason: "control was killed",
      overdue_since: null,
    }))
    .where("run_id", "=", runId)
    .where("ended_at", "is", null)
    .execute();
  const last = await tables(sql)
    .selectFrom("training.attempts")
    .select((select) => select.fn.max("attempt").as("attempt"))
    .where("run_id", "=", runId)
    .executeTakeFirst();
  const attempt = (last?.attempt ?? 0) + 1;
  await tables(sql)
    .insertInto("training.attempts")
    .values({ run_id: runId, attempt, started_at: now, seen_at: now, checkpoints: 0, overdue_times: 0 })
    .execute();
  await tables(sql)
    .updateTable("training.runs")
    .set({ state: "running", preemption_asked: null })
    .where("id", "=", runId)
    .where("state", "in", ["waiting", "running"])
    .execute();
  return attempt;
}

function usedColumns(used: TrainerUsage | undefined): Partial<AttemptTable> {
  return used ? { cpu_micros: used.cpuMicros, peak_memory_bytes: used.peakMemoryBytes } : {};
}

/** What was seen of an attempt that runs. */
export async function noteAttempt(
  sql: Sql,
  of: { readonly runId: string; readonly attempt: number },
  seen: {
    readonly now: number;
    readonly checkpoints: number;
    readonly checkpointAt?: number;
    readonly overdueTimes: number;
    readonly overdueSince?: number;
    readonly used?: TrainerUsage;
  },
): Promise<void> {
  await tables(sql)
    .updateTable("training.attempts")
    .set({
      ...usedColumns(seen.used),
      seen_at: seen.now,
      checkpoints: seen.checkpoints,
      checkpoint_at: seen.checkpointAt ?? null,
      overdue_times: seen.overdueTimes,
      overdue_since: seen.overdueSince ?? null,
    })
    .where("run_id", "=", of.runId)
    .where("attempt", "=", of.attempt)
    .where("ended_at", "is", null)
    .execute();
}

export async function closeAttempt(
  sql: Sql,
  of: { readonly runId: string; readonly attempt: number },
  end: {
    readonly ending: AttemptEnding;
    readonly reason?: string;
    readonly now: number;
    readonly used?: TrainerUsage;
  },
): Promise<void> {
  const { ending, reason = null, now, used } = end;
  await tables(sql)
    .updateTable("training.attempts")
    .set({ ...usedColumns(used), ended_at: now, ending, reason, overdue_since: null })
    .where("run_id", "=", of.runId)
    .where("attempt", "=", of.attempt)
    .where("ended_at", "is", null)
    .execute();
}

/** It waits again. */
export async function putBack(sql: Sql, runId: string): Promise<void> {
  await tables(sql)
    .updateTable("training.runs")
    .set({ state: "waiting", preemption_asked: null })
    .where("id", "=", runId)
    .where("state", "=", "running")
    .execute();
}

/** @returns false where it does not run any more */
export async function askToMakeRoom(sql: Sql, runId: string, reason: string): Promise<boolean> {
  const asked = await tables(sql)
    .updateTable("training.runs")
    .set({ preemption_asked: reason })
    .where("id", "=", runId)
    .where("state", "=", "running")
    .executeTakeFirst();
  return asked.numUpdatedRows === 1n;
}

/**
 * Why a run is to make room: somebody asked, or a run of its organisation waits for the trainer alone that goes before it. One whose time has not come
 * would leave the place empty.
 */
export async function roomWantedBy(
  sql: Sql,
  runId: string,
  now: EpochMicros,
  admission?: Pick<AdmissionQueue, "waitingAmong">,
): Promise<{ readonly asked?: string; readonly moreUrgent?: string }> {
  const run = await tables(sql)
    .selectFrom("training.runs")
    .select(["organisation_id", "priority", "preemption_asked"])
    .where("id", "=", runId)
    .executeTakeFirst();
  if (!run) return {};
  const moreUrgent = await tables(sql)
    .selectFrom("training.runs")
    .select(["id", timesAsked.as("times")])
    .where("organisation_id", "=", run.organisation_id)
    .where("state", "=", "waiting")
    .where("priority", ">", run.priority)
    .orderBy("priority", "desc")
    .execute();
  const urgent = moreUrgent.filter(({ times }) => opensAt(times, now) === undefined);
  // One that its team's quota holds back would find the place empty and leave it so.
  const held = await admission?.waitingAmong(
    sql,
    urgent.map(({ id }) => id),
  );
  const first = urgent.find(({ id }) => held?.has(id) !== true);
  return {
    ...(run.preemption_asked === null ? {} : { asked: run.preemption_asked }),
    ...(first ? { moreUrgent: first.id } : {}),
  };
}

/** By environment: runs under way whose declared checkpoint is missing. */
export async function overdueCheckpoints(
  sql: Sql,
): Promise<readonly { readonly environment: string; readonly runs: number }[]> {
  return tables(sql)
    .selectFrom("training.attempts")
    .innerJoin("training.runs", "training.runs.id", "training.attempts.run_id")
    .select((select) => ["training.runs.environment", select.fn.countAll<number>().as("runs")])
    .where("training.attempts.ended_at", "is", null)
    .where("training.attempts.overdue_since", "is not", null)
    .where("training.runs.state", "=", "running")
    .groupBy("training.runs.environment")
    .execute();
}
