import type { Sql } from "@portolan/kernel";
import { Kysely, PostgresDialect } from "kysely";
import { Pool, type PoolClient, type PoolConfig } from "pg";
import type { Database, Session } from "./database.ts";
import { type Subscriptions, subscribe } from "./listener.ts";
import { ListeningClient } from "./listening-client.ts";
import { PlanningClient } from "./planning-client.ts";
import { asDatabaseError } from "./sql-errors.ts";

/** A database over a connection pool to a server. */
export function serverDatabase(config: PoolConfig): Database {
  const pool = newPool({ connectionTimeoutMillis: 10_000, ...config, Client: PlanningClient });
  const { connectionString, types } = config;
  const listener = new ListeningClient({
    ...(connectionString === undefined ? {} : { connectionString }),
    ...(types === undefined ? {} : { types }),
  });
  return poolDatabase("postgres", pool, {
    subscriptions: listener.subscriptions,
    listen: (statement) => listener.run(statement),
    close: () => listener.close(),
    dumpImage: () => Promise.resolve(undefined),
  });
}

export interface PoolExtras {
  readonly subscriptions: Subscriptions;
  readonly listen: (statement: string) => Promise<void>;
  /** Runs after the pool is closed. */
  readonly close: () => Promise<void>;
  readonly dumpImage: Database["dumpImage"];
}

export function newPool(config: PoolConfig): Pool {
  const pool = new Pool(config);
  // A server that goes away also ends idle connections: the pool replaces them, and the next query reports it.
  pool.on("error", () => undefined);
  // One that is lent has no listener of the pool's; its query fails as well, which is where the fault is told.
  pool.on("connect", (client) => void client.on("error", () => undefined));
  return pool;
}

export function poolDatabase(kind: Database["kind"], pool: Pool, extras: PoolExtras): Database {
  const sql = new Kysely<object>({ dialect: new PostgresDialect({ pool }) }) as unknown as Sql;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= pool.end().then(() => extras.close());
    return closing;
  };
  const session = <T>(work: (session: Session) => Promise<T>): Promise<T> => withSession(pool, work);
  return {
    kind,
    sql,
    session,
    transaction: (begin, work) =>
      session(async (opened) => {
        await opened.script(begin);
        const result = await work(opened);
        await opened.script("commit");
        return result;
      }),
    listen: (channel, onNotification, onReconnect) =>
      subscribe(extras.subscriptions, channel, { onNotification, onReconnect }, extras.listen),
    dumpImage: extras.dumpImage,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function withSession<T>(pool: Pool, work: (session: Session) => Promise<T>): Promise<T> {
  const client = await translated(() => pool.connect());
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on("error", onError);
  try {
    return await work(sessionOn(client));
  } finally {
    if (client.getTransactionStatus() !== "I") await client.query("rollback").catch(onError);
    client.removeListener("error", onError);
    client.release(broken);
  }
}

function sessionOn(client: PoolClient): Session {
  const run = (text: string, values: readonly unknown[] | undefined) =>
    translated(() => client.query<object>(text, values === undefined ? undefined : [...values]));
  return {
    query: async <Row>(text: string, values?: readonly unknown[]) => (await run(text, values)).rows as Row[],
    rows: async (text, values) => {
      // Several statements in one text answer with several results, whatever the driver's types say.
      const results: unknown = await run(text, values);
      return (Array.isArray(results) ? results : [results]).flatMap(
        (result: { rows: object[] }) => result.rows,
      );
    },
    script: async (text) => {
      await run(text, undefined);
    },
  };
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDatabaseError(error);
  }
}
