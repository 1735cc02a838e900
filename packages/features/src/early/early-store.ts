import type { IngestionView } from "@portolan/data/contract";
import type { Environment, Sql } from "@portolan/kernel";
import { type JSONColumnType, sql as text } from "kysely";
import { type StoredLog, segmentsOf } from "../log/log-store.ts";
import type { AcceptedRange } from "../ports.ts";
import type { EarlyRun } from "../replay/early-states.ts";
import type { FeatureView } from "../view-model.ts";
import { keptNumbers } from "./kept-numbers.ts";

/** Read-only views of `data`, named in its contract. */
type EventBatchView = {
  ingestion_id: string;
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  state: IngestionView["state"];
  dataset_id: string | null;
  started_at: number;
  finished_at: number | null;
  numbers: JSONColumnType<readonly AcceptedRange[]>;
  first_received_at: number;
};
type WaitingEventView = {
  seq: number;
  organisation_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  received_at: number;
};

type EarlyBatchTable = {
  log_id: string;
  ingestion_id: string;
  outcome: "published" | "withdrawn";
  last_sequence: number | null;
  first_at: number;
  settled_at: number;
  numbers: JSONColumnType<readonly AcceptedRange[]> | null;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "features.logs": StoredLog & { environment: Environment };
    "features.views": {
      id: string;
      organisation_id: string;
      name: string;
      version: number;
      digest: string;
      body: JSONColumnType<FeatureView>;
    };
    "features.early_batches": EarlyBatchTable;
    "data.datasets_v1": { id: string; object: string; published_at: number };
    "data.event_batches_v1": EventBatchView;
    "data.waiting_events_v1": WaitingEventView;
  }>();

/** Logs of views whose accepted events count online, with these views. */
export async function earlyLogs(
  sql: Sql,
): Promise<
  { readonly log: StoredLog; readonly view: { readonly id: string; readonly body: FeatureView } }[]
> {
  const views = await tables(sql)
    .selectFrom("features.views")
    .select(["id", "organisation_id", "name", "version", "digest", "body"])
    .where(text<boolean>`body ->> 'online' = 'accepted'`)
    .execute();
  if (views.length === 0) return [];
  const logs = await tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("view_digest", "in", [...new Set(views.map(({ digest }) => digest))])
    .orderBy("id")
    .execute();
  return logs.flatMap((log) => {
    const view = views.find(
      (one) =>
        one.organisation_id === log.organisation_id &&
        one.digest === log.view_digest &&
        `${one.name}@${one.version}` === log.view,
    );
    return view ? [{ log, view: { id: view.id, body: view.body } }] : [];
  });
}

/** Numbers of events, and what became of the batch that they are in. */
export interface EarlyBatch {
  readonly ingestionId: string;
  readonly numbers: readonly AcceptedRange[];
  readonly firstAt: number;
  /** Null while it is under way. */
  readonly finishedAt: number | null;
  /** Undefined while it is under way, or the log has yet to take it in. */
  readonly end?: { readonly outcome: "published" | "withdrawn"; readonly lastSequence: number | null };
}

/**
 * Batches of a log's source that it has not noted as settled.
 *
 * @param from those that ended before are known to be settled
 */
export async function openBatches(sql: Sql, log: StoredLog, from = 0): Promise<EarlyBatch[]> {
  const rows = await tables(sql)
    .selectFrom("data.event_batches_v1 as b")
    .leftJoin("data.datasets_v1 as d", "d.id", "b.dataset_id")
    .leftJoin("features.early_batches as e", (join) =>
      join.onRef("e.ingestion_id", "=", "b.ingestion_id").on("e.log_id", "=", log.id),
    )
    .select([
      "b.ingestion_id",
      "b.state",
      "b.numbers",
      "b.first_received_at",
      "b.finished_at",
      "b.dataset_id",
      "d.object",
      "d.published_at",
    ])
    .where("b.organisation_id", "=", log.organisation_id)
    .where("b.contract", "=", log.source)
    .where("b.environment", "=", log.environment)
    .where("b.use_case_id", "is not distinct from", log.use_case_id)
    .where(text<boolean>`b.finished_at is null or b.finished_at >= ${Math.max(from, Number(log.created_at))}`)
    .where("e.log_id", "is", null)
    .orderBy("b.started_at")
    .execute();
  if (rows.length === 0) return [];
  const segments = await segmentsOf(sql, log.id);
  return rows.map((row) => {
    const segment = segments.find((one) => one.dataset_id === row.dataset_id);
    const end = endOf(row, log, segment?.last_sequence);
    return {
      ingestionId: row.ingestion_id,
      numbers: row.numbers,
      firstAt: Number(row.first_received_at),
      finishedAt: row.finished_at === null ? null : Number(row.finished_at),
      ...(end ? { end } : {}),
    };
  });
}

function endOf(
  row: {
    readonly state: IngestionView["state"];
    readonly object: string | null;
    readonly published_at: number | null;
  },
  log: StoredLog,
  lastSequence: number | undefined,
): EarlyBatch["end"] {
  if (row.state === "waiting" || row.state === "running") return undefined;
  if (row.state === "published" && lastSequence !== undefined) return { outcome: "published", lastSequence };
  const isToCome = row.state === "published" && row.object !== null && Number(row.published_at) >= log.since;
  return isToCome ? undefined : { outcome: "withdrawn", lastSequence: null };
}

export async function noteSettled(
  sql: Sql,
  log: StoredLog,
  {
    ingestionId,
    firstAt,
    numbers,
    end,
  }: Pick<EarlyBatch, "ingestionId" | "firstAt" | "numbers"> & Required<Pick<EarlyBatch, "end">>,
  now: number,
): Promise<void> {
  await tables(sql)
    .insertInto("features.early_batches")
    .values({
      log_id: log.id,
      ingestion_id: ingestionId,
      outcome: end.outcome,
      last_sequence: end.lastSequence,
      first_at: firstAt,
      settled_at: now,
      numbers: JSON.stringify(keptNumbers(numbers)),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Numbers of the events that wait for their batch in a log's place. */
export async function waitingNumbers(sql: Sql, log: StoredLog): Promise<ReadonlySet<number>> {
  const rows = await tables(sql)
    .selectFrom("data.waiting_events_v1")
    .select("seq")
    .where("organisation_id", "=", log.organisation_id)
    .where("contract", "=", log.source)
    .where("environment", "=", log.environment)
    .where("use_case_id", "is not distinct from", log.use_case_id)
    .execute();
  return new Set(rows.map(({ seq }) => Number(seq)));
}

/** How long it is known which batches' events counted early; of values that were served before, it is not told whether they were served of such events. */
export const earlyHistoryMicros = 35 * 86_400_000_000;

/** What settled longer ago than the history reaches is forgotten, of all logs. */
export async function forgetSettled(sql: Sql, now: number): Promise<void> {
  await tables(sql)
    .deleteFrom("features.early_batches")
    .where("settled_at", "<", now - earlyHistoryMicros)
    .execute();
}

/**
 * Batches whose events count, or counted, online before the log had them, and what waits for its batch.
 *
 * @param since those that were settled by then are left out; epoch microseconds
 */
export async function earlyRuns(sql: Sql, log: StoredLog, since: number): Promise<EarlyRun[]> {
  // In the order in which events go their way: what moves on meanwhile is seen in two places, and not in none.
  const waiting = await tables(sql)
    .selectFrom("data.waiting_events_v1")
    .select(({ fn }) => fn.min<string | number | null>("received_at").as("first"))
    .where("organisation_id", "=", log.organisation_id)
    .where("contract", "=", log.source)
    .where("environment", "=", log.environment)
    .where("use_case_id", "is not distinct from", log.use_case_id)
    .executeTakeFirst();
  const open = await openBatches(sql, log);
  const settled = await tables(sql)
    .selectFrom("features.early_batches")
    .selectAll()
    .where("log_id", "=", log.id)
    .where("settled_at", ">=", since)
    .execute();
  const first = waiting?.first ?? null;
  return [
    ...settled.map(({ ingestion_id: ingestionId, first_at: firstAt, settled_at: settledAt, numbers }) => ({
      batch: { ingestionId, numbers: numbers ?? undefined },
      firstAt: Number(firstAt),
      settledAt: Number(settledAt),
    })),
    ...open.map(({ ingestionId, numbers, firstAt }) => ({
      batch: { ingestionId, numbers },
      firstAt,
      settledAt: null,
    })),
    ...(first === null ? [] : [{ firstAt: Number(first), settledAt: null }]),
  ];
}
