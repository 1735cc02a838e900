import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import {
  type CallContext,
  type Clock,
  type EpochMicros,
  type JobRequest,
  type LedgerEvent,
  messageOf,
  PortolanError,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Database } from "./database.ts";
import { noteIntent } from "./intents/note-intent.ts";
import { asDatabaseError, isRetryable } from "./sql-errors.ts";

/** The part of a transaction that recorders and queues see. */
export interface TransactionContext {
  readonly sql: Sql;
  readonly call: CallContext;
  readonly now: EpochMicros;
}

/** Writes a governed ledger row in the caller's transaction; resolves to its id. The ledger provides it. */
export type Recorder = (tx: TransactionContext, event: LedgerEvent) => Promise<string>;

/** Adds a durable job in the caller's transaction; resolves to its id. */
export interface JobSink {
  enqueue(tx: TransactionContext, request: JobRequest): Promise<string>;
}

export interface UnitOfWorkDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly jobs: JobSink;
  /** Called after each commit that noted an intention; wakes the reconciler. */
  readonly onIntents?: () => void;
}

/** A ninth collision in a row means a real hot spot, which waiting longer would only hide. */
const maxAttempts = 9;

/**
 * Serializable transactions, run again after a serialization failure or deadlock: a use case may check and
 * then write as if it were alone. `work` must therefore be repeatable: effects only through `tx`.
 */
export function createUnitOfWork(deps: UnitOfWorkDeps): UnitOfWork {
  const open = new AsyncLocalStorage<true>();

  const write = async <T>(call: CallContext, work: (tx: Transaction) => Promise<T>): Promise<T> => {
    refuseNesting(open);
    for (let attempt = 1; ; attempt++) {
      try {
        const { result, intended } = await open.run(true, () => attemptWrite(deps, call, work));
        // Outside of `run`: whoever is woken opens units of work of its own.
        if (intended) deps.onIntents?.();
        return result;
      } catch (error) {
        if (!isRetryable(error)) throw asDatabaseError(error);
        if (attempt >= maxAttempts) throw contention(error);
        await delay(backoffMs(attempt));
      }
    }
  };
  const read = async <T>(_call: CallContext, work: (sql: Sql) => Promise<T>): Promise<T> => {
    refuseNesting(open);
    try {
      return await open.run(true, () =>
        deps.database.sql
          .transaction()
          .setIsolationLevel("repeatable read")
          .setAccessMode("read only")
          .execute((trx) => work(trx)),
      );
    } catch (error) {
      throw asDatabaseError(error);
    }
  };
  const look = async <T>(_call: CallContext, statement: (sql: Sql) => Promise<T>): Promise<T> => {
    refuseNesting(open);
    try {
      return await open.run(true, () => statement(deps.database.sql));
    } catch (error) {
      throw asDatabaseError(error);
    }
  };
  return { write, read, look };
}

async function attemptWrite<T>(
  deps: UnitOfWorkDeps,
  call: CallContext,
  work: (tx: Transaction) => Promise<T>,
): Promise<{ readonly result: T; readonly intended: boolean }> {
  let intended = false;
  const result = await deps.database.sql
    .transaction()
    .setIsolationLevel("serializable")
    .execute((trx) => {
      const context: TransactionContext = { sql: trx, call, now: deps.clock.now() };
      return work({
        ...context,
        record: (event) => deps.recorder(context, event),
        enqueue: (job) => deps.jobs.enqueue(context, job),
        intend: (kind, payload) => {
          intended = true;
          return noteIntent(context, kind, payload);
        },
      });
    });
  return { result, intended };
}

/** On PGlite the inner one would wait for the outer forever; on a server it would silently not be atomic. */
function refuseNesting(open: AsyncLocalStorage<true>): void {
  if (open.getStore() === undefined) return;
  throw new PortolanError("database.nested_transaction", {
    detail: "uow.read or uow.write was called inside another one",
    mend: "Use the transaction's own `tx.sql`, or call the second one after the first has returned.",
  });
}

/** Full jitter: two transactions that collided once must not meet again in step. */
function backoffMs(attempt: number): number {
  return Math.random() * Math.min(5 * 2 ** attempt, 250);
}

function contention(cause: unknown): PortolanError {
  return new PortolanError("database.contention", {
    detail: `the change collided with others ${maxAttempts} times: ${messageOf(cause)}`,
    mend: "Send the request again.",
    cause,
  });
}
