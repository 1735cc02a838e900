import type { JobHandler, UnitOfWork } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { type JobRow, jobTables } from "./job-tables.ts";

export interface SettleDeps {
  readonly uow: UnitOfWork;
  readonly handlers: readonly JobHandler[];
}

/** At once; the rest comes with the next look. */
const batch = 20;

/** Jobs that were cancelled or have failed, and whose handler was not told yet. */
export async function unsettledJobs(
  sql: Parameters<typeof jobTables>[0],
  handlers: readonly JobHandler[],
): Promise<JobRow[]> {
  const queues = handlers.filter((handler) => handler.abandoned !== undefined).map(({ queue }) => queue);
  if (queues.length === 0) return [];
  return jobTables(sql)
    .selectFrom("database.job_runs")
    .selectAll()
    .where("queue", "in", queues)
    .where("state", "in", ["cancelled", "failed"])
    .where("settled", "=", raw<boolean>`false`)
    .orderBy("created_at")
    .limit(batch)
    .execute();
}

/** Tells the handler, in one transaction with the note that it was told: two workers, or a crash between, make it neither twice nor never. */
export async function settleAbandoned({ uow, handlers }: SettleDeps, job: JobRow): Promise<void> {
  const handler = handlers.find(({ queue }) => queue === job.queue);
  const { state } = job;
  if (handler?.abandoned === undefined || (state !== "cancelled" && state !== "failed")) return;
  await uow.write(job.call, async (tx) => {
    const mine = await jobTables(tx.sql)
      .updateTable("database.job_runs")
      .set({ settled: raw<boolean>`true` })
      .where("id", "=", job.id)
      .where("settled", "=", raw<boolean>`false`)
      .executeTakeFirst();
    if (mine.numUpdatedRows !== 1n) return;
    const reason = state === "cancelled" ? "cancelled" : (job.error ?? "failed");
    await handler.abandoned?.(tx, { payload: job.payload, state, reason });
  });
}
