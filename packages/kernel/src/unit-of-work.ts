import type { Kysely } from "kysely";
import type { CallContext, Environment } from "./actor.ts";
import type { Digest } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import type { EpochMicros } from "./time.ts";
import type { WorkPlace } from "./work-places.ts";

/**
 * A SQL session over no tables. A store narrows it to its own: `tx.sql.withTables<RegistryTables>()`.
 * The type is Kysely's, the connection is whatever `database` opened (PostgreSQL or PGlite).
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- Kysely's own name for "no tables yet"
export type Sql = Kysely<{}>;

/**
 * Ends a statement that runs often and whose text is always the same: a server plans it once for each connection, not each time it runs.
 * For those alone whose best plan does not depend on the values.
 */
export const plannedOnce = "/* planned once */";

/** A governed business event, as a use case states it; who, when and the request come from the transaction. */
export interface LedgerEvent {
  /** `<domain>.<noun>.<past participle>`, e.g. `registry.model.promoted`. */
  readonly event: string;
  /** The id of what changed. */
  readonly subject: string;
  readonly before?: Digest;
  readonly after?: Digest;
  /** Small, without personal data and without secrets: it is kept for as long as the ledger. */
  readonly detail?: JsonObject;
}

export interface JobRequest {
  readonly queue: string;
  readonly payload: JsonObject;
  /** At most one waiting or running job per queue and key; a second request returns the first one's id. */
  readonly key?: string;
  readonly priority?: number;
  /** Where the work belongs: who may work there may see and stop the job. Without it, the organisation's. */
  readonly place?: WorkPlace & { readonly environment?: Environment };
}

/** What a use case may do inside one database transaction. All of it commits together or not at all. */
export interface Transaction {
  readonly sql: Sql;
  readonly call: CallContext;
  /** One instant for the whole transaction. */
  readonly now: EpochMicros;
  /** Adds a governed ledger row in this transaction; resolves to its id (`led_…`). */
  record(event: LedgerEvent): Promise<string>;
  /** Adds a durable job in this transaction; resolves to its id. */
  enqueue(job: JobRequest): Promise<string>;
  /**
   * Notes the intention of an effect outside SQL (an artifact, a snapshot). A reconciler performs it after
   * commit, again after a crash, until it is done; the effect must be idempotent.
   */
  intend(kind: string, payload: JsonObject): Promise<string>;
}

/** Runs use cases. No network, child process or hashing of files inside `write`: it holds a connection. */
export interface UnitOfWork {
  write<T>(call: CallContext, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Read only; sees committed state. */
  read<T>(call: CallContext, work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Read only, and one statement alone: without a transaction, which is two more. For what is looked at every second. */
  look<T>(call: CallContext, statement: (sql: Sql) => Promise<T>): Promise<T>;
}

/** What a request or delivery with many parts leaves in the ledger. */
export interface BatchLeaf {
  readonly event: string;
  readonly subject: string;
  /** Of all its parts. */
  readonly digest: string;
  readonly count: number;
  /** Same key, same row. */
  readonly key: string;
  readonly detail?: JsonObject;
}

/** Writes the one leaf of a batch; `ledger`'s `recordBatchDigest` fits it. Resolves to the row's id. */
export type RecordBatch = (tx: Transaction, leaf: BatchLeaf) => Promise<string>;
