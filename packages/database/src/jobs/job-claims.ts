import { type Clock, type JsonValue, type Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { lane } from "./boss.ts";
import { type JobRow, jobTables } from "./job-tables.ts";

/** A start of a job. `attempt` fences it: a later start makes every write of an earlier one a no-op. */
export interface Claim {
  readonly job: JobRow;
  readonly attempt: number;
}

/** Bookkeeping of job runs; each call is one statement of its own, so a crash between two leaves a clear state. */
export class JobClaims {
  readonly #sql: Sql;
  readonly #clock: Clock;

  constructor(sql: Sql, clock: Clock) {
    this.#sql = sql;
    this.#clock = clock;
  }

  /** Starts a job; `undefined` when it is over, or was dispatched again under another queue entry. */
  async claim(jobId: string, bossId: string): Promise<Claim | undefined> {
    const job = await jobTables(this.#sql)
      .updateTable("database.job_runs")
      .set((eb) => ({
        state: "running" as const,
        attempts: eb("attempts", "+", 1),
        started_at: eb.fn.coalesce("started_at", eb.val(this.#clock.now())),
      }))
      .where("id", "=", jobId)
      .where("boss_id", "=", bossId)
      .where("state", "in", ["waiting", "running", "retrying"])
      .returningAll()
      .executeTakeFirst();
    return job === undefined ? undefined : { job, attempt: job.attempts };
  }

  async finish(claim: Claim, state: "done" | "failed" | "cancelled", outcome: JobOutcome): Promise<void> {
    await this.#own(claim)
      .set({
        state,
        finished_at: this.#clock.now(),
        ...(state === "done" ? { progress: 1, result: JSON.stringify(outcome.result ?? null) } : {}),
        ...(outcome.error === undefined ? {} : { error: outcome.error }),
      })
      .execute();
  }

  /** Notes a failure that will be tried again; resolves to the number of failures so far. */
  async retry(claim: Claim, error: string): Promise<void> {
    await this.#own(claim)
      .set((eb) => ({ state: "retrying" as const, failures: eb("failures", "+", 1), error }))
      .execute();
  }

  async progress(claim: Claim, fraction: number, note: string): Promise<boolean> {
    const result = await this.#own(claim)
      .set({ progress: Math.min(1, Math.max(0, fraction)), note })
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  }

  async log(jobId: string, line: string): Promise<void> {
    await jobTables(this.#sql)
      .insertInto("database.job_logs")
      .values({ job_id: jobId, at: this.#clock.now(), line })
      .execute();
  }

  /** Of the given jobs, those that somebody asked to cancel. */
  async cancelled(jobIds: readonly string[]): Promise<string[]> {
    if (jobIds.length === 0) return [];
    const rows = await jobTables(this.#sql)
      .selectFrom("database.job_runs")
      .select("id")
      .where("id", "in", jobIds)
      .where("cancel_requested", "=", raw<boolean>`true`)
      .execute();
    return rows.map((row) => row.id);
  }

  /** Jobs in the hands of a worker, those included that it had only just fetched from the queue. */
  async taken(): Promise<JobRow[]> {
    const fetched = raw<boolean>`exists (
      select from pgboss.job as queued where queued.id = boss_id and queued.name = ${lane} and queued.state = 'active'
    )`;
    return jobTables(this.#sql)
      .selectFrom("database.job_runs")
      .selectAll()
      .where("state", "in", ["waiting", "running", "retrying"])
      .where((eb) => eb.or([eb("state", "=", "running"), fetched]))
      .execute();
  }

  #own(claim: Claim) {
    return jobTables(this.#sql)
      .updateTable("database.job_runs")
      .where("id", "=", claim.job.id)
      .where("attempts", "=", claim.attempt)
      .where("state", "=", "running");
  }
}

export interface JobOutcome {
  readonly result?: JsonValue;
  readonly error?: string;
}
