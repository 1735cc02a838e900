import type { Sql } from "@portolan/kernel";

/** One session: what needs a connection of its own (advisory locks, scripts, snapshots). */
export interface Session {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Like `query`, for a text of several statements too: the rows of all of them. */
  rows(text: string, values?: readonly unknown[]): Promise<object[]>;
  /** One or more statements without parameters. */
  script(text: string): Promise<void>;
}

export interface Listening {
  close(): Promise<void>;
}

/** An open database. PostgreSQL and PGlite behave alike through it: one driver serves both. */
export interface Database {
  readonly kind: "postgres" | "pglite";
  readonly sql: Sql;
  /** Lends one session; a transaction left open is rolled back. On PGlite all callers share one, in turn. */
  session<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction in plain SQL, e.g. with `begin isolation level serializable`; rolled back when `work` throws. */
  transaction<T>(begin: string, work: (session: Session) => Promise<T>): Promise<T>;
  /** Subscribes to NOTIFY. `onReconnect` runs after each (re)subscription: what came in between is lost. */
  listen(
    channel: string,
    onNotification: (payload: string) => void,
    onReconnect: () => void,
  ): Promise<Listening>;
  /** PGlite only: its data folder as a tar archive. */
  dumpImage(): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
