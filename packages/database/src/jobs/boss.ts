import { AsyncLocalStorage } from "node:async_hooks";
import type { Sql } from "@portolan/kernel";
import { type Db, fromKysely, PgBoss } from "pg-boss";
import type { Database } from "../database.ts";

/**
 * The one pg-boss queue. Portolan's queues are groups in it: a domain can then enqueue into a queue that no
 * worker has served yet without creating anything, and one listener wakes all workers.
 */
export const lane = "work";

/** Seconds without a heartbeat after which a job is taken from its worker. pg-boss allows no less than 10. */
export const heartbeatSeconds = 20;

/** pg-boss over our own connections; `within` makes its statements part of the caller's transaction. */
export interface BossConnection {
  readonly db: Db;
  within<T>(sql: Sql, work: () => Promise<T>): Promise<T>;
}

export function bossConnection(database: Database): BossConnection {
  const current = new AsyncLocalStorage<Sql>();
  const db: Db = {
    executeSql: async (text, values) => {
      const transaction = current.getStore();
      if (transaction !== undefined) return fromKysely(transaction).executeSql(text, values);
      return database.session(async (session) => ({ rows: await session.rows(text, values) }));
    },
    listen: (channel, onNotification, onReconnect) => database.listen(channel, onNotification, onReconnect),
  };
  return { db, within: (sql, work) => current.run(sql, work) };
}

export function newBoss(database: Database, db: Db, work: boolean): PgBoss {
  return new PgBoss({
    db,
    backend: database.kind === "pglite" ? "pglite" : "postgres",
    schedule: false,
    supervise: work,
    migrate: true,
    useListenNotify: work,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  });
}

/**
 * Installs or updates schema `pgboss` and its queue. Safe to run twice and concurrently: pg-boss takes its own
 * advisory lock. Call it after `migrate`, before the first `enqueue`.
 */
export async function prepareJobQueue(database: Database): Promise<void> {
  const boss = newBoss(database, bossConnection(database).db, false);
  await boss.start();
  try {
    await boss.createQueue(lane, {
      notify: true,
      retryLimit: 1_000_000, // our own counter decides; pg-boss's also counts crashes
      retryBackoff: true,
      retryDelay: 1,
      retryDelayMax: 300,
      heartbeatSeconds,
      expireInSeconds: 86_399,
      retentionSeconds: 365 * 86_400,
      deleteAfterSeconds: 86_400,
    });
  } finally {
    await boss.stop({ close: false, graceful: false });
  }
}
