import type { Sql } from "@portolan/kernel";
import { type Generated, sql as text } from "kysely";

type EventTable = {
  seq: Generated<number>;
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  received_at: number;
  line: string;
  batch: string | null;
};

/** Whose events, under which contract. */
export interface EventPlace {
  readonly organisationId: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId?: string;
}

type WaitingTable = {
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string;
  slot: number;
  waiting: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "data.events": EventTable; "data.waiting_events": WaitingTable }>();
/** Slots of the count that senders share; the jobs that claim have one of their own. */
const slots = 8;
const claimSlot = slots;
/** Rows per statement: PostgreSQL takes 65,535 parameters. */
const rowsPerInsert = 5000;

export async function insertEvents(
  sql: Sql,
  place: EventPlace,
  receivedAt: number,
  lines: readonly string[],
): Promise<void> {
  for (let from = 0; from < lines.length; from += rowsPerInsert) {
    const rows = lines.slice(from, from + rowsPerInsert).map((line) => ({
      organisation_id: place.organisationId,
      contract: place.contract,
      environment: place.environment,
      use_case_id: place.useCaseId ?? null,
      received_at: receivedAt,
      line,
      batch: null,
    }));
    await tables(sql).insertInto("data.events").values(rows).execute();
  }
  await addWaiting(sql, place, receivedAt % slots, lines.length);
}

const unclaimed = (sql: Sql, place: EventPlace) =>
  tables(sql)
    .selectFrom("data.events")
    .where("organisation_id", "=", place.organisationId)
    .where("contract", "=", place.contract)
    .where("environment", "=", place.environment)
    .where("use_case_id", "is not distinct from", place.useCaseId ?? null)
    .where("batch", "is", null);

/** How many wait, as it is kept beside them: a few rows are read, however many wait. */
export async function countWaiting(sql: Sql, place: EventPlace): Promise<number> {
  const row = await tables(sql)
    .selectFrom("data.waiting_events")
    .select(({ fn }) => fn.sum<string | number | null>("waiting").as("waiting"))
    .where("organisation_id", "=", place.organisationId)
    .where("contract", "=", place.contract)
    .where("environment", "=", place.environment)
    .where("use_case_id", "=", place.useCaseId ?? "")
    .executeTakeFirstOrThrow();
  return Number(row.waiting ?? 0);
}

async function addWaiting(sql: Sql, place: EventPlace, slot: number, count: number): Promise<void> {
  if (count === 0) return;
  await tables(sql)
    .insertInto("data.waiting_events")
    .values({
      organisation_id: place.organisationId,
      contract: place.contract,
      environment: place.environment,
      use_case_id: place.useCaseId ?? "",
      slot,
      waiting: count,
    })
    .onConflict((conflict) =>
      conflict
        .columns(["organisation_id", "contract", "environment", "use_case_id", "slot"])
        .doUpdateSet({ waiting: text<number>`data.waiting_events.waiting + excluded.waiting` }),
    )
    .execute();
}

export interface Claim {
  /** Its name, that of no other batch. */
  readonly batch: string;
  /** Epoch microseconds: what was received then or later is left for the batch of its own window. */
  readonly receivedBefore: number;
  /** One event is claimed however large it is. */
  readonly most: { readonly events: number; readonly bytes: number };
}

/**
 * Gives the first events that wait to a batch, and not many more bytes than so many; resolves to how many. By name, not up to a number:
 * a request that began earlier may commit later, and its events are then the next batch's.
 */
export async function claimEvents(
  sql: Sql,
  place: EventPlace,
  { batch, receivedBefore, most }: Claim,
): Promise<number> {
  const first = unclaimed(sql, place)
    .select([
      "seq",
      text<number>`sum(octet_length(line)) over (order by seq) - octet_length(line)`.as("before"),
    ])
    .where("received_at", "<", receivedBefore)
    .orderBy("seq")
    .limit(most.events)
    .as("first");
  const claimed = await tables(sql)
    .updateTable("data.events")
    .set({ batch })
    .where("seq", "in", tables(sql).selectFrom(first).select("seq").where("before", "<", most.bytes))
    .executeTakeFirst();
  const count = Number(claimed.numUpdatedRows);
  await addWaiting(sql, place, claimSlot, -count);
  return count;
}

/** Lines of a batch, in the order in which they came. */
export async function linesOf(sql: Sql, batch: string): Promise<string[]> {
  const rows = await tables(sql)
    .selectFrom("data.events")
    .select("line")
    .where("batch", "=", batch)
    .orderBy("seq")
    .execute();
  return rows.map(({ line }) => line);
}

export async function deleteBatch(sql: Sql, batch: string): Promise<void> {
  await tables(sql).deleteFrom("data.events").where("batch", "=", batch).execute();
}

/** Events of all batches of that beginning wait again; resolves to how many. */
export async function releaseEvents(sql: Sql, place: EventPlace, prefix: string): Promise<number> {
  const released = await tables(sql)
    .updateTable("data.events")
    .set({ batch: null })
    .where(text<boolean>`starts_with(batch, ${prefix})`)
    .executeTakeFirst();
  const count = Number(released.numUpdatedRows);
  await addWaiting(sql, place, claimSlot, count);
  return count;
}

/** Takes one event away that waits; resolves to whether it still did. */
export async function dropWaiting(
  sql: Sql,
  { seq, ...place }: EventPlace & { readonly seq: number },
): Promise<boolean> {
  const dropped = await tables(sql)
    .deleteFrom("data.events")
    .where("seq", "=", seq)
    .where("organisation_id", "=", place.organisationId)
    .where("batch", "is", null)
    .executeTakeFirst();
  const wasThere = dropped.numDeletedRows === 1n;
  if (wasThere) await addWaiting(sql, place, claimSlot, -1);
  return wasThere;
}
