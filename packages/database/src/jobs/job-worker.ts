import {
  type Clock,
  type EpochMicros,
  JobDeferred,
  type JobHandler,
  type Logger,
  messageOf,
  Turns,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Db, Job, PgBoss } from "pg-boss";
import type { Database } from "../database.ts";
import { bossConnection, lane, newBoss, prepareJobQueue } from "./boss.ts";
import { type Claim, JobClaims } from "./job-claims.ts";
import type { JobQueue } from "./job-queue.ts";
import { JobStopped, jobRun } from "./job-run.ts";
import { settleAbandoned, unsettledJobs } from "./settle-abandoned.ts";

export interface JobWorkerDeps {
  readonly database: Database;
  readonly uow: UnitOfWork;
  readonly jobs: JobQueue;
  readonly clock: Clock;
  readonly handlers: readonly JobHandler[];
  readonly log: Logger;
  /** Jobs at once in this process; default 4. */
  readonly concurrency?: number;
  /** Jobs at once of one queue; default 1. */
  readonly perQueue?: number;
  /**
   * True (the default) where this is the only worker process: jobs found running at start belong to a process
   * that died, and go on at once. With several, they go on when their heartbeat stops (20 s).
   */
  readonly sole?: boolean;
}

export interface JobWorker {
  /** Tells running jobs to stop, waits for them at most `graceMs`, and gives unfinished ones back. */
  stop(graceMs?: number): Promise<void>;
}

const defaultRetries = 3;
/** A job that took its process down this often is not started again. */
const mostCrashes = 25;
const cancelPollMs = 500;

/** Runs the handlers' jobs until stopped. Failures are tried again with growing delay; crashes and deferred jobs go on by step. */
export async function startJobWorker(deps: JobWorkerDeps): Promise<JobWorker> {
  await prepareJobQueue(deps.database);
  const runner = new JobRunner(deps);
  if (deps.sole ?? true) await runner.takeOverOrphans();
  const boss = newBoss(deps.database, inOrder(bossConnection(deps.database).db), true);
  boss.on("error", (error) => deps.log.warn({ error: messageOf(error) }, "database.jobs.queue_error"));
  await boss.start();
  await serve(boss, deps, runner);
  let watching = Promise.resolve();
  let busy = false;
  const watch = setInterval(() => {
    void runner.abortCancelled();
    if (busy) return;
    busy = true;
    watching = runner.settleAbandoned().finally(() => {
      busy = false;
    });
  }, cancelPollMs);
  return {
    stop: async (graceMs = 10_000) => {
      clearInterval(watch);
      await watching;
      const settled = boss.offWork(lane, { wait: true });
      await runner.stop(graceMs);
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 1_000).unref())]);
      await boss.stop({ close: false, graceful: false });
    },
  };
}

/**
 * One statement of the queue at a time. Of two looks for work side by side one finds the best job of a queue and the other the next; whichever
 * answer comes first has the queue's place, and the other job goes back and waits. In order, the first answer is the best.
 */
function inOrder(db: Db): Db {
  const turns = new Turns(1);
  return { ...db, executeSql: (text, values) => turns.take(() => db.executeSql(text, values)) };
}

async function serve(boss: PgBoss, deps: JobWorkerDeps, runner: JobRunner): Promise<void> {
  const options = {
    localConcurrency: deps.concurrency ?? 4,
    localGroupConcurrency: deps.perQueue ?? 1,
    // New jobs come by NOTIFY; polling finds those whose retry delay is over, and is the net under NOTIFY.
    pollingIntervalSeconds: 1,
    notifyPollingIntervalSeconds: 1,
  };
  await boss.work<{ jobId: string }>(lane, options, async (jobs: Job<{ jobId: string }>[]) => {
    for (const job of jobs) await runner.run(job.data.jobId, job.id);
  });
}

const retriesOf = (handler: JobHandler): number => handler.retries ?? defaultRetries;

class JobRunner {
  readonly #deps: JobWorkerDeps;
  readonly #claims: JobClaims;
  readonly #handlers: ReadonlyMap<string, JobHandler>;
  readonly #running = new Map<
    string,
    { readonly controller: AbortController; readonly done: Promise<void> }
  >();
  #stopping = false;

  constructor(deps: JobWorkerDeps) {
    this.#deps = deps;
    this.#claims = new JobClaims(deps.database.sql, deps.clock);
    this.#handlers = new Map(deps.handlers.map((handler) => [handler.queue, handler]));
  }

  async takeOverOrphans(): Promise<void> {
    for (const job of await this.#claims.taken()) {
      await this.#giveBack(job, "goes on after its process ended");
      this.#deps.log.info({ job: job.id, queue: job.queue }, "database.jobs.taken_over");
    }
  }

  /** @throws the handler's error when the job is to be tried again: pg-boss then sets the delay. */
  async run(jobId: string, bossId: string): Promise<void> {
    if (this.#stopping) throw new JobStopped("shutdown");
    const claim = await this.#claims.claim(jobId, bossId);
    if (claim === undefined) return;
    const controller = new AbortController();
    const work = this.#attempt(claim, controller.signal);
    const done = work.catch(() => undefined);
    this.#running.set(jobId, { controller, done });
    try {
      await work;
    } finally {
      this.#running.delete(jobId);
    }
  }

  async abortCancelled(): Promise<void> {
    const ids = await this.#claims.cancelled([...this.#running.keys()]).catch(() => []);
    for (const id of ids) this.#running.get(id)?.controller.abort(new JobStopped("cancelled"));
  }

  /** What was cancelled or failed for good, here or elsewhere, also before this process started. */
  async settleAbandoned(): Promise<void> {
    const { database, handlers, log, uow } = this.#deps;
    try {
      for (const job of await unsettledJobs(database.sql, handlers))
        await settleAbandoned({ uow, handlers }, job).catch((error: unknown) =>
          log.warn({ job: job.id, queue: job.queue, error: messageOf(error) }, "database.jobs.not_settled"),
        );
    } catch (error) {
      log.warn({ error: messageOf(error) }, "database.jobs.not_settled");
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const running = [...this.#running.values()];
    for (const { controller } of running) controller.abort(new JobStopped("shutdown"));
    const late = new Promise((resolve) => setTimeout(resolve, graceMs).unref());
    await Promise.race([Promise.all(running.map(({ done }) => done)), late]);
  }

  async #attempt(claim: Claim, signal: AbortSignal): Promise<void> {
    const { job } = claim;
    const handler = this.#handlers.get(job.queue);
    if (job.cancel_requested) return this.#claims.finish(claim, "cancelled", {});
    if (handler === undefined)
      return this.#fail(claim, undefined, new Error(`no handler for queue ${job.queue}`));
    if (claim.attempt - job.failures - job.deferrals > mostCrashes) {
      return this.#claims.finish(claim, "failed", {
        error: `its process ended ${mostCrashes} times while it ran`,
      });
    }
    try {
      const retries = retriesOf(handler);
      const result = await handler.run(
        jobRun({ uow: this.#deps.uow, claims: this.#claims, signal, retries }, claim),
      );
      await this.#claims.finish(claim, "done", { result });
    } catch (error) {
      const stopped = signal.aborted && signal.reason instanceof JobStopped ? signal.reason : error;
      if (stopped instanceof JobStopped) return this.#endStopped(claim, stopped);
      if (error instanceof JobDeferred) return this.#giveBack(job, error.message, error.notBefore);
      return this.#fail(claim, handler, error);
    }
  }

  async #endStopped(claim: Claim, stopped: JobStopped): Promise<void> {
    switch (stopped.reason) {
      case "cancelled":
        return this.#claims.finish(claim, "cancelled", {});
      case "shutdown":
        return this.#giveBack(claim.job, "waits for the next start");
      case "superseded":
        return;
    }
  }

  async #fail(claim: Claim, handler: JobHandler | undefined, error: unknown): Promise<void> {
    const { job } = claim;
    const message = messageOf(error);
    await this.#claims.log(job.id, `failed: ${message}`);
    const final = handler !== undefined && job.failures >= retriesOf(handler);
    this.#deps.log.warn({ job: job.id, queue: job.queue, error: message, final }, "database.jobs.failed");
    if (final) return this.#claims.finish(claim, "failed", { error: message });
    await this.#claims.retry(claim, message);
    throw error;
  }

  /** @param notBefore absent: it may go on at once */
  async #giveBack(job: Claim["job"], note: string, notBefore?: EpochMicros): Promise<void> {
    const { clock, database, jobs } = this.#deps;
    const again = { ...job, note, ...(notBefore === undefined ? {} : { notBefore }) };
    await database.sql.transaction().execute((trx) => jobs.redispatch({ sql: trx, now: clock.now() }, again));
  }
}
