import {
  type JobRun,
  type JsonForm,
  type JsonValue,
  PortolanError,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Claim, JobClaims } from "./job-claims.ts";
import { jobTables } from "./job-tables.ts";

/** Thrown inside a job whose run must end: it was cancelled, the process stops, or a later start took over. */
export class JobStopped extends Error {
  override readonly name = "JobStopped";
  readonly reason: "cancelled" | "shutdown" | "superseded";

  constructor(reason: JobStopped["reason"]) {
    super(`job ${reason}`);
    this.reason = reason;
  }
}

export interface JobRunDeps {
  readonly uow: UnitOfWork;
  readonly claims: JobClaims;
  readonly signal: AbortSignal;
  /** How often the handler's failures are tried again. */
  readonly retries: number;
}

/** What the handler of one start of a job works with. */
export function jobRun(deps: JobRunDeps, claim: Claim): JobRun {
  const { job } = claim;
  const { claims, signal, uow } = deps;
  const seen = new Set<string>();

  const begin = (name: string): void => {
    throwIfStopped(signal);
    if (!seen.has(name)) {
      seen.add(name);
      return;
    }
    throw new PortolanError("kernel.internal", { detail: `job ${job.id} names two of its steps "${name}"` });
  };
  return {
    id: job.id,
    payload: job.payload,
    call: job.call,
    signal,
    finalAttempt: job.failures >= deps.retries,
    step: async <T>(name: string, work: (tx: Transaction) => Promise<T & JsonForm<T>>): Promise<T> => {
      begin(name);
      return uow.write(job.call, async (tx) => {
        await fence(tx, claim);
        const known = await recorded(tx, job.id, name);
        if (known !== undefined) return known.result as T;
        const result = await work(tx);
        await record(tx, job.id, name, result);
        return result;
      });
    },
    effect: async <T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>): Promise<T> => {
      begin(name);
      const known = await uow.write(job.call, async (tx) => {
        await fence(tx, claim);
        return recorded(tx, job.id, name);
      });
      if (known !== undefined) return known.result as T;
      const result = await work(`${job.id}:${name}`);
      await uow.write(job.call, async (tx) => {
        await fence(tx, claim);
        await record(tx, job.id, name, result);
      });
      return result;
    },
    progress: async (fraction, note) => {
      throwIfStopped(signal);
      if (!(await claims.progress(claim, fraction, note))) throw new JobStopped("superseded");
      await claims.log(job.id, note);
    },
    log: (line) => claims.log(job.id, line),
  };
}

export function throwIfStopped(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw signal.reason instanceof JobStopped ? signal.reason : new JobStopped("shutdown");
}

/** Locks the job's row and checks that this start is still the one in charge. */
async function fence(tx: Transaction, claim: Claim): Promise<void> {
  const row = await jobTables(tx.sql)
    .selectFrom("database.job_runs")
    .select(["attempts", "state", "cancel_requested"])
    .where("id", "=", claim.job.id)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined || row.attempts !== claim.attempt || row.state !== "running") {
    throw new JobStopped("superseded");
  }
  if (row.cancel_requested) throw new JobStopped("cancelled");
}

async function recorded(
  tx: Transaction,
  jobId: string,
  name: string,
): Promise<{ readonly result: JsonValue } | undefined> {
  return jobTables(tx.sql)
    .selectFrom("database.job_steps")
    .select("result")
    .where("job_id", "=", jobId)
    .where("name", "=", name)
    .executeTakeFirst();
}

async function record(tx: Transaction, jobId: string, name: string, result: unknown): Promise<void> {
  await jobTables(tx.sql)
    .insertInto("database.job_steps")
    .values({ job_id: jobId, name, result: JSON.stringify(result), finished_at: tx.now })
    .execute();
}
