import { randomUUID } from "node:crypto";
import { type EpochMicros, formatInstant, type JobRequest, newId, PortolanError } from "@portolan/kernel";
import type { PgBoss } from "pg-boss";
import type { Database } from "../database.ts";
import type { JobSink, TransactionContext } from "../unit-of-work.ts";
import { type BossConnection, bossConnection, lane, newBoss } from "./boss.ts";
import { jobTables } from "./job-tables.ts";

/** Adds jobs inside the caller's transaction, and stops those that nobody wants any more. */
export interface JobQueue extends JobSink {
  /**
   * Cancels a job in the caller's transaction: one that waits is over at once, one that runs is told to stop.
   * @returns false when there is no such job in the caller's organisation, or it is over already.
   */
  cancel(tx: TransactionContext, jobId: string): Promise<boolean>;
  /** Has jobs that were put off go on at once instead of later; those that are at work, or over, are left alone. */
  wake(tx: Pick<TransactionContext, "sql" | "now">, jobIds: readonly string[]): Promise<void>;
  /** Gives an unfinished job to the next free worker, at once or later, under a new queue entry. For the job worker. */
  redispatch(tx: Pick<TransactionContext, "sql" | "now">, job: Redispatched): Promise<void>;
}

export interface Redispatched {
  readonly id: string;
  readonly queue: string;
  readonly boss_id: string;
  readonly priority: number;
  readonly note: string;
  /** Absent: at once. */
  readonly notBefore?: EpochMicros;
}

/** The queue needs no started pg-boss: sending is one INSERT and a NOTIFY that the commit delivers. */
export function createJobQueue(database: Database): JobQueue {
  const connection = bossConnection(database);
  const boss = newBoss(database, connection.db, false);

  const enqueue = async (tx: TransactionContext, request: JobRequest): Promise<string> => {
    const id = newId("job", tx.now);
    const bossId = randomUUID();
    const open = await insertRun(tx, request, id, bossId);
    if (open !== id) return open;
    const sent = await connection.within(tx.sql, () =>
      boss.send(
        lane,
        { jobId: id },
        { id: bossId, priority: request.priority ?? 0, group: { id: request.queue } },
      ),
    );
    if (sent === null)
      throw new PortolanError("kernel.internal", { detail: `pg-boss did not take job ${id}` });
    return id;
  };

  const cancel = async (tx: TransactionContext, jobId: string): Promise<boolean> => {
    const job = await jobTables(tx.sql)
      .selectFrom("database.job_runs")
      .select(["state", "boss_id"])
      .where("id", "=", jobId)
      .where("organisation_id", "=", tx.call.actor.organisationId)
      .where("state", "in", ["waiting", "running", "retrying"])
      .forUpdate()
      .executeTakeFirst();
    if (job === undefined) return false;
    const over = job.state !== "running";
    await jobTables(tx.sql)
      .updateTable("database.job_runs")
      .set({ cancel_requested: true, ...(over ? { state: "cancelled", finished_at: tx.now } : {}) })
      .where("id", "=", jobId)
      .execute();
    if (over) await connection.within(tx.sql, () => boss.cancel(lane, job.boss_id));
    return true;
  };
  const redispatch: JobQueue["redispatch"] = (tx, job) => redispatchJob(connection, boss, tx, job);
  const wake: JobQueue["wake"] = async (tx, jobIds) => {
    for (const job of await putOff(tx, jobIds)) await redispatch(tx, job);
  };
  return { enqueue, cancel, redispatch, wake };
}

/** A job that somebody else holds is on its way anyway: waiting for it could be waiting for each other. */
async function putOff(
  { sql }: Pick<TransactionContext, "sql">,
  jobIds: readonly string[],
): Promise<readonly Redispatched[]> {
  if (jobIds.length === 0) return [];
  return jobTables(sql)
    .selectFrom("database.job_runs")
    .select(["id", "queue", "boss_id", "priority", "note"])
    .where("id", "in", [...jobIds])
    .where("state", "=", "waiting")
    .where("deferrals", ">", 0)
    .orderBy("priority", "desc")
    .orderBy("id")
    .forUpdate()
    .skipLocked()
    .execute();
}

async function redispatchJob(
  connection: BossConnection,
  boss: PgBoss,
  tx: Pick<TransactionContext, "sql" | "now">,
  job: Redispatched,
): Promise<void> {
  const bossId = randomUUID();
  const { notBefore } = job;
  const moved = await jobTables(tx.sql)
    .updateTable("database.job_runs")
    .set((eb) => ({
      boss_id: bossId,
      state: "waiting" as const,
      note: job.note,
      deferrals: eb("deferrals", "+", notBefore === undefined ? 0 : 1),
    }))
    .where("id", "=", job.id)
    .where("boss_id", "=", job.boss_id)
    .where("state", "in", ["waiting", "running", "retrying"])
    .executeTakeFirst();
  if (moved.numUpdatedRows === 0n) return;
  await connection.within(tx.sql, async () => {
    await boss.cancel(lane, job.boss_id);
    await boss.send(
      lane,
      { jobId: job.id },
      {
        id: bossId,
        priority: job.priority,
        group: { id: job.queue },
        ...(notBefore === undefined ? {} : { startAfter: formatInstant(notBefore) }),
      },
    );
  });
}

/**
 * Resolves to the job's id: that of the open job with the same key, where there is one. One statement for both: what many senders ask for again and again is
 * there but for the first time.
 */
async function insertRun(
  tx: TransactionContext,
  request: JobRequest,
  id: string,
  bossId: string,
): Promise<string> {
  const { organisationId } = tx.call.actor;
  const { queue, place, key = null } = request;
  const row = {
    id,
    organisation_id: organisationId,
    environment: place?.environment ?? null,
    team_id: place?.teamId ?? null,
    use_case_id: place?.useCaseId ?? null,
    queue,
    boss_id: bossId,
    key,
    priority: request.priority ?? 0,
    payload: JSON.stringify(request.payload),
    call: JSON.stringify(tx.call),
    state: "waiting" as const,
    created_at: tx.now,
  };
  const insert = jobTables(tx.sql)
    .with("inserted", (db) =>
      db
        .insertInto("database.job_runs")
        .values(row)
        .onConflict((conflict) =>
          conflict
            .columns(["organisation_id", "queue", "key"])
            .where("key", "is not", null)
            .where("state", "in", ["waiting", "running", "retrying"])
            .doNothing(),
        )
        .returning("id"),
    )
    .selectFrom("inserted")
    .select("id");
  const open = jobTables(tx.sql)
    .selectFrom("database.job_runs")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("queue", "=", queue)
    .where("key", "=", key)
    .where("state", "in", ["waiting", "running", "retrying"]);
  // Of the statement's two parts one has the row: the second does not see what the first inserted.
  const found = await (key === null ? insert : insert.unionAll(open)).executeTakeFirstOrThrow();
  return found.id;
}
