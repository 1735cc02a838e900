import type { Sql } from "@portolan/kernel";
import { type Generated, type JSONColumnType, sql as text } from "kysely";

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
  bytes: number;
};

/** Events that wait, and their length as UTF-8. */
export interface Waiting {
  readonly events: number;
  readonly bytes: number;
}

type BatchTable = {
  ingestion_id: string;
  numbers: JSONColumnType<readonly [number, number][]>;
  first_received_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "data.events": EventTable;
    "data.waiting_events": WaitingTable;
    "data.event_batches": BatchTable;
    "data.ingestions": { id: string; organisation_id: string; finished_at: number | null };
  }>();
/** Slots of the count that senders share; the jobs that claim have one of their own. */
const slots = 8;
const claimSlot = slots;
/** Rows per statement. */
const rowsPerInsert = 5000;

/**
 * Keeps lines, and counts them among what waits at their place, in one statement for each few thousand: a round trip more would be one in every sender's way.
 *
 * @param most nothing is kept where that much waits already; what comes with one call may go beyond it
 * @returns their numbers among all events, in their order; or what waits, where that is as much as may
 */
export async function insertEvents(
  sql: Sql,
  place: EventPlace,
  receivedAt: number,
  lines: readonly string[],
  most?: Waiting,
): Promise<{ readonly numbers: number[] } | { readonly full: Waiting }> {
  const numbers: number[] = [];
  for (let from = 0; from < lines.length; from += rowsPerInsert) {
    const some = lines.slice(from, from + rowsPerInsert);
    const kept = await insertSome(sql, place, receivedAt, some, from === 0 ? most : undefined);
    if (kept.numbers === null) return { full: numbersOf({ events: kept.waiting, bytes: kept.bytes }) };
    numbers.push(...kept.numbers);
  }
  return { numbers: numbers.sort((one, other) => one - other) };
}

interface KeptSome {
  readonly waiting: number | string;
  readonly bytes: number | string;
  readonly numbers: readonly number[] | null;
}

async function insertSome(
  sql: Sql,
  { organisationId, contract, environment, useCaseId }: EventPlace,
  receivedAt: number,
  lines: readonly string[],
  most: Waiting | undefined,
): Promise<KeptSome> {
  // One parameter for all lines: a thousand of them cost more to bind than to store.
  const asJson = JSON.stringify(lines);
  const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  const { rows } = await text<KeptSome>`
    with before as (
      select coalesce(sum(waiting), 0) as waiting, coalesce(sum(bytes), 0) as bytes from data.waiting_events
      where organisation_id = ${organisationId} and contract = ${contract} and environment = ${environment}
        and use_case_id = ${useCaseId ?? ""}
    ), kept as (
      insert into data.events (organisation_id, contract, environment, use_case_id, received_at, line)
      select ${organisationId}, ${contract}, ${environment}, ${useCaseId ?? null}, ${receivedAt}, line
      from before, json_array_elements_text(${asJson}::json) with ordinality as t (line, n)
      where ${most === undefined} or (before.waiting < ${most?.events ?? 0} and before.bytes < ${most?.bytes ?? 0})
      order by n returning seq
    ), counted as (
      insert into data.waiting_events (organisation_id, contract, environment, use_case_id, slot, waiting, bytes)
      select ${organisationId}, ${contract}, ${environment}, ${useCaseId ?? ""}, ${receivedAt % slots}, count(*), ${bytes}
      from kept having count(*) > 0
      on conflict (organisation_id, contract, environment, use_case_id, slot)
      do update set waiting = data.waiting_events.waiting + excluded.waiting, bytes = data.waiting_events.bytes + excluded.bytes
    )
    select waiting, bytes, (select json_agg(seq) from kept) as numbers from before`.execute(tables(sql));
  const [row] = rows;
  if (!row) throw new Error("a sum without a row");
  return row;
}

const unclaimed = (sql: Sql, place: EventPlace) =>
  tables(sql)
    .selectFrom("data.events")
    .where("organisation_id", "=", place.organisationId)
    .where("contract", "=", place.contract)
    .where("environment", "=", place.environment)
    .where("use_case_id", "is not distinct from", place.useCaseId ?? null)
    .where("batch", "is", null);

/** What waits, as it is kept beside the events: a few rows are read, however many wait. */
export async function countWaiting(sql: Sql, place: EventPlace): Promise<Waiting> {
  const row = await tables(sql)
    .selectFrom("data.waiting_events")
    .select(({ fn }) => [
      fn.sum<string | number | null>("waiting").as("waiting"),
      fn.sum<string | number | null>("bytes").as("bytes"),
    ])
    .where("organisation_id", "=", place.organisationId)
    .where("contract", "=", place.contract)
    .where("environment", "=", place.environment)
    .where("use_case_id", "=", place.useCaseId ?? "")
    .executeTakeFirstOrThrow();
  return { events: Number(row.waiting ?? 0), bytes: Number(row.bytes ?? 0) };
}

async function addWaiting(sql: Sql, place: EventPlace, slot: number, more: Waiting): Promise<void> {
  if (more.events === 0) return;
  await tables(sql)
    .insertInto("data.waiting_events")
    .values({
      organisation_id: place.organisationId,
      contract: place.contract,
      environment: place.environment,
      use_case_id: place.useCaseId ?? "",
      slot,
      waiting: more.events,
      bytes: more.bytes,
    })
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "contract", "environment", "use_case_id", "slot"]).doUpdateSet({
        waiting: text<number>`data.waiting_events.waiting + excluded.waiting`,
        bytes: text<number>`data.waiting_events.bytes + excluded.bytes`,
      }),
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
    .with("changed", (db) =>
      db
        .updateTable("data.events")
        .set({ batch })
        .where("seq", "in", tables(sql).selectFrom(first).select("seq").where("before", "<", most.bytes))
        .returning(lineBytes),
    )
    .selectFrom("changed")
    .select(totals)
    .executeTakeFirstOrThrow();
  const { events, bytes } = numbersOf(claimed);
  await addWaiting(sql, place, claimSlot, { events: -events, bytes: -bytes });
  return events;
}

const lineBytes = text<number>`octet_length(line)`.as("size");
const totals = [
  text<string | number>`count(*)`.as("events"),
  text<string | number>`coalesce(sum(size), 0)`.as("bytes"),
] as const;

function numbersOf({ events, bytes }: { events: string | number; bytes: string | number }): Waiting {
  return { events: Number(events), bytes: Number(bytes) };
}

/** How much is in no batch yet, claimed events too; no more than `most` are counted. No line is read. */
export async function sizeOfWaiting(sql: Sql, place: EventPlace, most: number): Promise<Waiting> {
  const first = inNoBatch(sql, place).select(lineBytes).limit(most).as("first");
  return numbersOf(await tables(sql).selectFrom(first).select(totals).executeTakeFirstOrThrow());
}

const inNoBatch = (sql: Sql, place: EventPlace) =>
  tables(sql)
    .selectFrom("data.events")
    .where("organisation_id", "=", place.organisationId)
    .where("contract", "=", place.contract)
    .where("environment", "=", place.environment)
    .where("use_case_id", "is not distinct from", place.useCaseId ?? null);

/** Lines that are in no batch yet, claimed ones too, after that number. */
export async function waitingLines(
  sql: Sql,
  place: EventPlace,
  after: number,
  most: number,
): Promise<{ readonly seq: number; readonly receivedAt: number; readonly line: string }[]> {
  const rows = await inNoBatch(sql, place)
    .select(["seq", "received_at", "line"])
    .where("seq", ">", after)
    .orderBy("seq")
    .limit(most)
    .execute();
  return rows.map((row) => ({ seq: Number(row.seq), receivedAt: Number(row.received_at), line: row.line }));
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

/** Resolves to what they were: their numbers, and when the first of them was received. */
export async function deleteBatch(
  sql: Sql,
  batch: string,
): Promise<{ readonly numbers: number[]; readonly firstReceivedAt: number }> {
  const gone = await tables(sql)
    .deleteFrom("data.events")
    .where("batch", "=", batch)
    .returning(["seq", "received_at"])
    .execute();
  return {
    numbers: gone.map(({ seq }) => Number(seq)).toSorted((one, other) => one - other),
    firstReceivedAt: gone.reduce(
      (first, one) => Math.min(first, Number(one.received_at)),
      Number.MAX_SAFE_INTEGER,
    ),
  };
}

/** Which events became which batch: whoever knows them by their numbers learns what became of them, until `forgetEventBatches`. */
export async function insertEventBatch(
  sql: Sql,
  ingestionId: string,
  { numbers, firstReceivedAt }: { readonly numbers: readonly number[]; readonly firstReceivedAt: number },
): Promise<void> {
  await tables(sql)
    .insertInto("data.event_batches")
    .values({
      ingestion_id: ingestionId,
      numbers: JSON.stringify(rangesOf(numbers)),
      first_received_at: firstReceivedAt,
    })
    .execute();
}

/** Which events were in batches that ended before is told nobody any more: whoever took them in early has learned it, or looks for what is left over. */
export async function forgetEventBatches(sql: Sql, organisationId: string, before: number): Promise<void> {
  await tables(sql)
    .deleteFrom("data.event_batches")
    .where("ingestion_id", "in", (ended) =>
      ended
        .selectFrom("data.ingestions")
        .select("id")
        .where("organisation_id", "=", organisationId)
        .where("finished_at", "<", before),
    )
    .execute();
}

/** Numbers in their order as the first and the last of each run. Pure. */
export function rangesOf(numbers: readonly number[]): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

/** Events of all batches of that beginning wait again; resolves to how many. */
export async function releaseEvents(sql: Sql, place: EventPlace, prefix: string): Promise<number> {
  const released = numbersOf(
    await tables(sql)
      .with("changed", (db) =>
        db
          .updateTable("data.events")
          .set({ batch: null })
          .where(text<boolean>`starts_with(batch, ${prefix})`)
          .returning(lineBytes),
      )
      .selectFrom("changed")
      .select(totals)
      .executeTakeFirstOrThrow(),
  );
  await addWaiting(sql, place, claimSlot, released);
  return released.events;
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
    .returning(lineBytes)
    .executeTakeFirst();
  if (dropped) await addWaiting(sql, place, claimSlot, { events: -1, bytes: -dropped.size });
  return dropped !== undefined;
}
