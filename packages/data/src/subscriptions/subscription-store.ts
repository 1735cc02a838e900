import type { CallContext, Environment, Sql } from "@portolan/kernel";
import { type Generated, type JSONColumnType, type Selectable, sql as text } from "kysely";
import type { SubscriptionState, SubscriptionView } from "./subscription.ts";

type SubscriptionTable = {
  id: string;
  organisation_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
  connection: string;
  topic: string;
  topic_id: string | null;
  start_at: "earliest" | "latest";
  call: JSONColumnType<CallContext>;
  state: SubscriptionState;
  failure: string | null;
  failures: Generated<number>;
  taken: Generated<number>;
  dead_letters: Generated<number>;
  lost: Generated<number>;
  started_at: number;
  last_taken_at: number | null;
  stopped_at: number | null;
};
type OffsetTable = { subscription_id: string; partition: number; next_offset: number | string | bigint };

const tables = (sql: Sql) =>
  sql.withTables<{ "data.subscriptions": SubscriptionTable; "data.subscription_offsets": OffsetTable }>();

export type StoredSubscription = Selectable<SubscriptionTable>;

export async function insertSubscription(
  sql: Sql,
  row: Pick<
    StoredSubscription,
    | "id"
    | "organisation_id"
    | "contract"
    | "environment"
    | "use_case_id"
    | "connection"
    | "topic"
    | "start_at"
    | "call"
    | "started_at"
  >,
): Promise<void> {
  await tables(sql)
    .insertInto("data.subscriptions")
    .values({ ...row, call: JSON.stringify(row.call), state: "starting" })
    .execute();
}

/** The one that reads a topic already, under the same contract in the same place. */
export async function findSameSubscription(
  sql: Sql,
  of: Pick<
    StoredSubscription,
    "organisation_id" | "contract" | "environment" | "use_case_id" | "connection" | "topic"
  >,
): Promise<StoredSubscription | undefined> {
  return tables(sql)
    .selectFrom("data.subscriptions")
    .selectAll()
    .where("organisation_id", "=", of.organisation_id)
    .where("contract", "=", of.contract)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.use_case_id)
    .where("connection", "=", of.connection)
    .where("topic", "=", of.topic)
    .where("stopped_at", "is", null)
    .executeTakeFirst();
}

export async function findSubscription(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredSubscription | undefined> {
  return tables(sql)
    .selectFrom("data.subscriptions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Newest first; the stopped ones after those that read. */
export async function listSubscriptions(sql: Sql, organisationId: string): Promise<StoredSubscription[]> {
  return tables(sql)
    .selectFrom("data.subscriptions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy(text`stopped_at is not null`)
    .orderBy("started_at", "desc")
    .limit(500)
    .execute();
}

/** Those of all organisations that are not stopped. */
export async function activeSubscriptions(sql: Sql): Promise<StoredSubscription[]> {
  return tables(sql).selectFrom("data.subscriptions").selectAll().where("stopped_at", "is", null).execute();
}

/** Holds the row until the transaction ends, so that a subscription has one reader at a time; undefined once it is stopped. */
export async function lockSubscription(sql: Sql, id: string): Promise<StoredSubscription | undefined> {
  return tables(sql)
    .selectFrom("data.subscriptions")
    .selectAll()
    .where("id", "=", id)
    .where("stopped_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
}

export interface SubscriptionUpdate {
  readonly state?: SubscriptionState;
  readonly failure?: string | null;
  readonly failures?: number;
  readonly topic_id?: string;
  readonly stopped_at?: number;
}

/** What is stopped stays as it is: its reader may still have something to say. */
export async function updateSubscription(sql: Sql, id: string, update: SubscriptionUpdate): Promise<void> {
  await tables(sql)
    .updateTable("data.subscriptions")
    .set(update)
    .where("id", "=", id)
    .where("stopped_at", "is", null)
    .execute();
}

/** Adds to what was taken in, read away, or found gone. */
export async function countRecords(
  sql: Sql,
  id: string,
  more: {
    readonly taken?: number;
    readonly deadLetters?: number;
    readonly lost?: number;
    readonly at?: number;
  },
): Promise<void> {
  await tables(sql)
    .updateTable("data.subscriptions")
    .set((is) => ({
      taken: is("taken", "+", more.taken ?? 0),
      dead_letters: is("dead_letters", "+", more.deadLetters ?? 0),
      lost: is("lost", "+", more.lost ?? 0),
      ...(more.at === undefined ? {} : { last_taken_at: more.at }),
    }))
    .where("id", "=", id)
    .execute();
}

/** By partition: the offset of the first record that was not taken in yet. */
export async function offsetsOf(sql: Sql, id: string): Promise<Map<number, bigint>> {
  const rows = await tables(sql)
    .selectFrom("data.subscription_offsets")
    .select(["partition", "next_offset"])
    .where("subscription_id", "=", id)
    .orderBy("partition")
    .execute();
  return new Map(rows.map((row) => [row.partition, BigInt(row.next_offset)]));
}

export async function setOffsets(sql: Sql, id: string, next: ReadonlyMap<number, bigint>): Promise<void> {
  if (next.size === 0) return;
  await tables(sql)
    .insertInto("data.subscription_offsets")
    .values(
      [...next].map(([partition, offset]) => ({
        subscription_id: id,
        partition,
        next_offset: String(offset),
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(["subscription_id", "partition"])
        .doUpdateSet((is) => ({ next_offset: is.ref("excluded.next_offset") })),
    )
    .execute();
}

export function subscriptionView(
  row: StoredSubscription,
  offsets: ReadonlyMap<number, bigint>,
): SubscriptionView {
  return {
    id: row.id,
    contract: row.contract,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    connection: row.connection,
    topic: row.topic,
    startAt: row.start_at,
    state: row.state,
    ...(row.failure === null ? {} : { failure: row.failure }),
    failures: row.failures,
    partitions: [...offsets].map(([partition, next]) => ({ partition, nextOffset: String(next) })),
    taken: row.taken,
    deadLetters: row.dead_letters,
    lost: row.lost,
    startedAt: row.started_at,
    ...(row.last_taken_at === null ? {} : { lastTakenAt: row.last_taken_at }),
    ...(row.stopped_at === null ? {} : { stoppedAt: row.stopped_at }),
  };
}
