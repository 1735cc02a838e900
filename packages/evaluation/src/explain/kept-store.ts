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
    .orderBy("writer_id")
    .orderBy("epoch")
    .orderBy("block")
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

/** What is explained, and what waits, of an endpoint. */
export interface ExplanationFigures {
  readonly organisationId: Id<"organisation">;
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly endpoint: string;
  readonly waiting: number;
  readonly explained: number;
  readonly notExplainable: number;
  /** Chosen, and not explained, because too many waited already. */
  readonly passedOver: number;
  /** When the record of the one that waits longest was accepted, epoch microseconds; absent: none waits. */
  readonly oldestWaitingAt?: number;
}

/** By endpoint, of one organisation or of all; 500 at most. Erased and expired predictions are counted no more. */
export async function explanationFigures(sql: Sql, organisationId?: string): Promise<ExplanationFigures[]> {
  let blocks = tables(sql)
    .selectFrom("evaluation.chosen_blocks")
    .select([
      "organisation_id",
      "environment",
      "use_case_id",
      "endpoint",
      raw<number>`sum(passed_over)::int`.as("passed_over"),
    ])
    .groupBy(["organisation_id", "environment", "use_case_id", "endpoint"])
    .orderBy("organisation_id")
    .orderBy("environment")
    .orderBy("endpoint")
    .limit(500);
  let counts = tables(sql)
    .selectFrom("evaluation.kept_explanations")
    .select([
      "organisation_id",
      "environment",
      "use_case_id",
      "endpoint",
      raw<number>`count(*) filter (where state = 'waiting')::int`.as("waiting"),
      raw<number>`count(*) filter (where state = 'explained')::int`.as("explained"),
      raw<number>`count(*) filter (where state = 'not_explainable')::int`.as("not_explainable"),
      raw<number | null>`min(chosen_at) filter (where state = 'waiting')`.as("oldest"),
    ])
    .groupBy(["organisation_id", "environment", "use_case_id", "endpoint"]);
  if (organisationId !== undefined) {
    blocks = blocks.where("organisation_id", "=", organisationId);
    counts = counts.where("organisation_id", "=", organisationId);
  }
  const keyOf = (row: {
    organisation_id: string;
    environment: string;
    use_case_id: string;
    endpoint: string;
  }) => JSON.stringify([row.organisation_id, row.environment, row.use_case_id, row.endpoint]);
  const found = new Map((await counts.execute()).map((row) => [keyOf(row), row]));
  return (await blocks.execute()).map((row) => {
    const count = found.get(keyOf(row));
    return {
      organisationId: row.organisation_id as Id<"organisation">,
      environment: row.environment,
      useCaseId: row.use_case_id,
      endpoint: row.endpoint,
      waiting: Number(count?.waiting ?? 0),
      explained: Number(count?.explained ?? 0),
      notExplainable: Number(count?.not_explainable ?? 0),
      passedOver: Number(row.passed_over),
      ...(count?.oldest === null || count?.oldest === undefined
        ? {}
        : { oldestWaitingAt: Number(count.oldest) }),
    };
  });
}
