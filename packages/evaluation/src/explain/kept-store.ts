import type { Environment, Id, Sql, Transaction } from "@portolan/kernel";
import { sql as raw, type Selectable } from "kysely";

type KeptTable = {
  organisation_id: string;
  prediction_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  use_case_id: string;
  environment: Environment;
  endpoint: string;
  model: string;
  version: string;
  artifact: string;
  top: number;
  fixed: readonly string[];
  received_at: number;
  chosen_at: number;
  state: "waiting" | "explained" | "not_explainable";
  tries: number;
  not_before: number;
  ended_at: number | null;
  reason: string | null;
  content: string | null;
  salt: string | null;
  digest: string | null;
  ledger_row: string | null;
  leaf_index: number | null;
  leaf_count: number | null;
  path: readonly string[] | null;
};

type ChosenBlockTable = {
  organisation_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  use_case_id: string;
  environment: Environment;
  endpoint: string;
  chosen: number;
  passed_over: number;
  chosen_at: number;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "evaluation.kept_explanations": KeptTable;
    "evaluation.chosen_blocks": ChosenBlockTable;
  }>();

export type KeptRow = Selectable<KeptTable>;

/** A prediction that a charter has explained. */
export type NewChosen = Pick<
  KeptTable,
  | "organisation_id"
  | "prediction_id"
  | "writer_id"
  | "epoch"
  | "block"
  | "use_case_id"
  | "environment"
  | "endpoint"
  | "model"
  | "version"
  | "artifact"
  | "top"
  | "fixed"
  | "received_at"
>;

/** Predictions of an organisation that wait; counted up to `most`. */
export async function countWaiting(sql: Sql, organisationId: string, most: number): Promise<number> {
  const row = await sql
    .selectFrom(
      tables(sql)
        .selectFrom("evaluation.kept_explanations")
        .select("prediction_id")
        .where("organisation_id", "=", organisationId)
        .where("state", "=", "waiting")
        .limit(most)
        .as("waiting"),
    )
    .select(raw<number>`count(*)::int`.as("count"))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** False when the block was looked at before. */
export async function markChosen(
  sql: Sql,
  { organisation_id, writer_id, epoch, block, use_case_id, environment, endpoint }: NewChosen,
  chosen: number,
  passedOver: number,
  now: number,
): Promise<boolean> {
  const marked = await tables(sql)
    .insertInto("evaluation.chosen_blocks")
    .values({
      organisation_id,
      writer_id,
      epoch,
      block,
      use_case_id,
      environment,
      endpoint,
      chosen,
      passed_over: passedOver,
      chosen_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("block")
    .execute();
  return marked.length > 0;
}

export async function insertChosen(sql: Sql, rows: readonly NewChosen[], now: number): Promise<void> {
  for (let at = 0; at < rows.length; at += 500)
    await tables(sql)
      .insertInto("evaluation.kept_explanations")
      .values(
        rows.slice(at, at + 500).map((row) => ({
          ...row,
          fixed: raw<readonly string[]>`${JSON.stringify(row.fixed)}::jsonb`,
          chosen_at: now,
          not_before: now,
          state: "waiting" as const,
          tries: 0,
        })),
      )
      .onConflict((conflict) => conflict.columns(["organisation_id", "prediction_id"]).doNothing())
      .execute();
}

const waiting = (sql: Sql, organisationId: string, now: number) =>
  tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "waiting")
    .where("not_before", "<=", now)
    .orderBy("chosen_at")
    // Ids of one block begin alike.
    .orderBy("prediction_id");

/** The oldest that wait, and others of the same version in the same environment. */
export async function nextWaiting(
  sql: Sql,
  organisationId: string,
  now: number,
  most: number,
): Promise<KeptRow[]> {
  const first = await waiting(sql, organisationId, now).limit(1).executeTakeFirst();
  if (!first) return [];
  return waiting(sql, organisationId, now)
    .where("model", "=", first.model)
    .where("version", "=", first.version)
    .where("artifact", "=", first.artifact)
    .where("environment", "=", first.environment)
    .limit(most)
    .execute();
}

/** Leaves them alone for a while; `tries` counts those that ended the process. */
export async function putOff(
  { sql, call }: Transaction,
  predictionIds: readonly string[],
  { until, isTry }: { readonly until: number; readonly isTry: boolean },
): Promise<void> {
  if (predictionIds.length === 0) return;
  await tables(sql)
    .updateTable("evaluation.kept_explanations")
    .set({ not_before: until, tries: raw`tries + ${isTry ? 1 : 0}` })
    .where("organisation_id", "=", call.actor.organisationId)
    .where("prediction_id", "in", predictionIds)
    .where("state", "=", "waiting")
    .execute();
}

export type Ended =
  | { readonly id: string; readonly content: string; readonly salt: string; readonly digest: string }
  | { readonly id: string; readonly reason: string };

/** Those of them that still wait, held until the transaction ends: an erasure is before all of this, or after it. */
export async function stillWaiting(
  { sql, call }: Transaction,
  predictionIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (predictionIds.length === 0) return new Set();
  const rows = await tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .select("prediction_id")
    .where("organisation_id", "=", call.actor.organisationId)
    .where("prediction_id", "in", predictionIds)
    .where("state", "=", "waiting")
    .orderBy("prediction_id")
    .forUpdate()
    .execute();
  return new Set(rows.map(({ prediction_id }) => prediction_id));
}

/** Where an explanation stands under the root that the ledger names. */
export interface LedgerPlace {
  readonly ledgerRow: string;
  readonly index: number;
  readonly count: number;
  readonly path: readonly string[];
}

export async function storeEnded(
  { sql, call, now }: Transaction,
  ended: Ended,
  place?: LedgerPlace,
): Promise<void> {
  const found = "content" in ended;
  await tables(sql)
    .updateTable("evaluation.kept_explanations")
    .set({
      state: found ? "explained" : "not_explainable",
      ended_at: now,
      ...(found
        ? { content: ended.content, salt: ended.salt, digest: ended.digest }
        : { reason: ended.reason.slice(0, 1000) }),
      ...(place
        ? {
            ledger_row: place.ledgerRow,
            leaf_index: place.index,
            leaf_count: place.count,
            path: raw<readonly string[]>`${JSON.stringify(place.path)}::jsonb`,
          }
        : {}),
    })
    .where("organisation_id", "=", call.actor.organisationId)
    .where("prediction_id", "=", ended.id)
    .execute();
}

export function findKept(
  sql: Sql,
  organisationId: string,
  predictionId: string,
): Promise<KeptRow | undefined> {
  return tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("prediction_id", "=", predictionId)
    .executeTakeFirst();
}

/** With the record that it explains: erased, or its time over. */
export async function eraseExplanations(tx: Transaction, predictionIds: readonly string[]): Promise<void> {
  for (let at = 0; at < predictionIds.length; at += 1000)
    await tables(tx.sql)
      .deleteFrom("evaluation.kept_explanations")
      .where("organisation_id", "=", tx.call.actor.organisationId)
      .where("prediction_id", "in", predictionIds.slice(at, at + 1000))
      .execute();
}

/** What waits to be explained, of an endpoint. */
export interface BacklogFigures {
  readonly organisationId: Id<"organisation">;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly endpoint: string;
  readonly waiting: number;
  /** Chosen, and not explained, because too many waited already. */
  readonly passedOver: number;
  /** When the record of the one that waits longest was accepted, epoch microseconds; absent: none waits. */
  readonly oldestWaitingAt?: number;
}

export interface ExplanationFigures extends BacklogFigures {
  /** Of those that ended since a moment, and are still there. */
  readonly explained: number;
  readonly notExplainable: number;
}

const placeColumns = ["organisation_id", "environment", "use_case_id", "endpoint"] as const;
type Place = Pick<KeptTable, (typeof placeColumns)[number]>;
type Counts = {
  waiting?: number;
  oldest?: number;
  passedOver?: number;
  explained?: number;
  notExplainable?: number;
};

/** Endpoints of which some wait or were passed over, of one organisation or of all; 500 at most of each. */
export async function backlogFigures(sql: Sql, organisationId?: string): Promise<BacklogFigures[]> {
  const places = new PlaceCounts();
  await countBacklog(sql, places, organisationId);
  return places.figures();
}

/** The same of an organisation, with what ended since then. */
export async function explanationFigures(
  sql: Sql,
  organisationId: string,
  since: number,
): Promise<ExplanationFigures[]> {
  const places = new PlaceCounts();
  await countBacklog(sql, places, organisationId);
  const ended = await tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .select([...placeColumns, "state", raw<number>`count(*)::int`.as("count")])
    .where("organisation_id", "=", organisationId)
    .where("ended_at", ">=", since)
    .groupBy([...placeColumns, "state"])
    .execute();
  for (const { state, count, ...place } of ended)
    places.add(place, state === "explained" ? { explained: count } : { notExplainable: count });
  return places.figures();
}

async function countBacklog(sql: Sql, places: PlaceCounts, organisationId?: string): Promise<void> {
  const ofThose =
    organisationId === undefined ? raw<boolean>`true` : raw<boolean>`organisation_id = ${organisationId}`;
  const waitingRows = await tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .select([
      ...placeColumns,
      raw<number>`count(*)::int`.as("waiting"),
      raw<number>`min(chosen_at)`.as("oldest"),
    ])
    .where("state", "=", "waiting")
    .where(ofThose)
    .groupBy(placeColumns)
    .limit(500)
    .execute();
  for (const { waiting: count, oldest, ...place } of waitingRows)
    places.add(place, { waiting: count, oldest: Number(oldest) });
  const passedOver = await tables(sql)
    .selectFrom("evaluation.chosen_blocks")
    .select([...placeColumns, raw<number>`sum(passed_over)::int`.as("passed_over")])
    .where("passed_over", ">", 0)
    .where(ofThose)
    .groupBy(placeColumns)
    .limit(500)
    .execute();
  for (const { passed_over, ...place } of passedOver) places.add(place, { passedOver: passed_over });
}

/** Counts that come from several questions, by place. */
class PlaceCounts {
  readonly #places = new Map<string, Place & Counts>();

  add(place: Place, counts: Counts): void {
    const key = JSON.stringify(placeColumns.map((name) => place[name]));
    this.#places.set(key, { ...place, ...this.#places.get(key), ...counts });
  }

  figures(): ExplanationFigures[] {
    return [...this.#places.values()].map((found) => ({
      organisationId: found.organisation_id as Id<"organisation">,
      environment: found.environment,
      useCaseId: found.use_case_id,
      endpoint: found.endpoint,
      waiting: found.waiting ?? 0,
      explained: found.explained ?? 0,
      notExplainable: found.notExplainable ?? 0,
      passedOver: found.passedOver ?? 0,
      ...(found.oldest === undefined ? {} : { oldestWaitingAt: found.oldest }),
    }));
  }
}
