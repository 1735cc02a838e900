import type { CallContext, Sql, Transaction, UnitOfWork } from "@portolan/kernel";
import { type Expression, type Generated, type Kysely, type SqlBool, sql } from "kysely";
import type { PartFiles } from "../archive/part-files.ts";
import type { StoredPrediction } from "../contract.ts";
import { decodeEntry } from "../format/record-codec.ts";
import type { PartSpot } from "./store.ts";

type OutcomeTable = {
  organisation_id: string;
  prediction_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  outcome: unknown;
  observed_at: number;
  reported_at: number;
  reported_by: string;
  endpoint: string | null;
  environment: string | null;
  model_name: string | null;
  model_version: string | null;
  variant: string | null;
  received_at: number | null;
  outputs: string | null;
  reach: string;
  beyond_reach: Generated<boolean>;
};
type PartTables = {
  "predictions.block_parts": {
    organisation_id: string;
    writer_id: string;
    epoch: number;
    block: number;
    file: string;
    record_count: number;
    first_row: number | null;
    archive_id: string | null;
  };
  "predictions.archives": { id: string; file: string };
};
type OutcomeTables = { "predictions.outcomes": OutcomeTable };
export type NewOutcome = Pick<
  OutcomeTable,
  "prediction_id" | "writer_id" | "epoch" | "block" | "observed_at"
> & { readonly outcome: string };

export async function insertOutcome(
  tx: Transaction,
  outcome: NewOutcome,
  reach: readonly string[],
): Promise<void> {
  await tx.sql
    .withTables<OutcomeTables>()
    .insertInto("predictions.outcomes")
    .values({
      ...outcome,
      outcome: sql`${outcome.outcome}::jsonb`,
      organisation_id: tx.call.actor.organisationId,
      reported_at: tx.now,
      reported_by: tx.call.actor.id,
      endpoint: null,
      environment: null,
      model_name: null,
      model_version: null,
      variant: null,
      received_at: null,
      outputs: null,
      reach: reach.join(),
    })
    .execute();
}

/**
 * What was reported of the prediction before, as far as this reporter may know: what is joined in an environment of theirs, or
 * what somebody of the same reach reported.
 */
export async function findEarlier(
  tx: Transaction,
  outcome: NewOutcome,
  reach: readonly string[],
): Promise<{ readonly same: boolean } | undefined> {
  return tx.sql
    .withTables<OutcomeTables>()
    .selectFrom("predictions.outcomes")
    .select(
      sql<boolean>`outcome = ${outcome.outcome}::jsonb and observed_at = ${outcome.observed_at}`.as("same"),
    )
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("prediction_id", "=", outcome.prediction_id)
    .where((where) =>
      where.or([
        where("environment", "in", [...reach]),
        where.and([where("received_at", "is", null), where("reach", "=", reach.join())]),
      ]),
    )
    .executeTakeFirst();
}

/**
 * Gives the first outcome that could be reported in the prediction's environment what it needs of its prediction. Of the others,
 * those that came too late are removed, and those whose reporter has no say there are set aside.
 */
async function joinOutcome(tx: Transaction, { header, payload }: StoredPrediction): Promise<void> {
  const { context } = header;
  const ofPrediction = (): Expression<SqlBool> =>
    sql`organisation_id = ${context.organisationId} and prediction_id = ${header.id}`;
  const reports = (): Kysely<OutcomeTables> => tx.sql.withTables<OutcomeTables>();
  const rows = await reports()
    .selectFrom("predictions.outcomes")
    .select(["reach", "received_at"])
    .where(ofPrediction())
    .orderBy("reported_at")
    .orderBy("reach")
    .execute();
  const reaching = rows.filter(({ reach }) => reach.split(",").includes(context.environment));
  const chosen = reaching.find((row) => row.received_at !== null) ?? reaching[0];
  for (const { reach } of rows.filter((row) => row !== chosen)) {
    const one = [ofPrediction(), sql<SqlBool>`reach = ${reach}`] as const;
    if (reaching.some((row) => row.reach === reach)) {
      await reports().deleteFrom("predictions.outcomes").where(one[0]).where(one[1]).execute();
    } else {
      const setAside = reports().updateTable("predictions.outcomes").set({ beyond_reach: true });
      await setAside.where(one[0]).where(one[1]).execute();
    }
  }
  await reports()
    .updateTable("predictions.outcomes")
    .set({
      endpoint: context.endpoint,
      environment: context.environment,
      model_name: context.model?.name ?? null,
      model_version: context.model?.version ?? null,
      variant: context.variant,
      received_at: header.receivedAt,
      outputs: payload?.outputs ? printable(payload.outputs.bytes) : null,
    })
    .where(ofPrediction())
    .where("reach", "=", chosen?.reach ?? "")
    .where("received_at", "is", null)
    .execute();
}

interface WaitingOutcome extends PartSpot {
  readonly prediction_id: string;
}

/** Outcomes whose prediction has arrived and that do not know it yet. */
function waitingOutcomes(sqlSession: Sql, organisationId: string, limit: number): Promise<WaitingOutcome[]> {
  return sqlSession
    .withTables<OutcomeTables & PartTables>()
    .selectFrom("predictions.outcomes as outcome")
    .innerJoin("predictions.block_parts as part", (join) =>
      join
        .onRef("part.organisation_id", "=", "outcome.organisation_id")
        .onRef("part.writer_id", "=", "outcome.writer_id")
        .onRef("part.epoch", "=", "outcome.epoch")
        .onRef("part.block", "=", "outcome.block"),
    )
    .leftJoin("predictions.archives as archive", "archive.id", "part.archive_id")
    .select([
      "outcome.prediction_id",
      "part.file",
      "part.record_count",
      "part.first_row",
      "archive.file as archive_file",
    ])
    .where("outcome.organisation_id", "=", organisationId)
    .where("outcome.received_at", "is", null)
    .where("outcome.beyond_reach", "=", false)
    .orderBy("part.file")
    .limit(limit)
    .execute();
}

/**
 * Joins what can be joined. Both sides (an outcome arrived, a block arrived) commit first and call this afterwards,
 * so whoever commits second sees the other; what a crash leaves behind is found by the next call.
 */
export async function joinOutcomes(
  uow: UnitOfWork,
  files: PartFiles,
  call: CallContext,
  organisationId: string,
): Promise<void> {
  while (await files.inTurn(() => joinSome(uow, files, call, organisationId)));
}

/** True when there may be more. */
async function joinSome(
  uow: UnitOfWork,
  files: PartFiles,
  call: CallContext,
  organisationId: string,
): Promise<boolean> {
  const waiting = await uow.read(call, (session) => waitingOutcomes(session, organisationId, 1000));
  const found: StoredPrediction[] = [];
  for (const spot of new Map(waiting.map((row) => [row.file, row])).values()) {
    const ids = new Set(waiting.filter(({ file }) => file === spot.file).map((row) => row.prediction_id));
    const { entries } = await files.read(spot, organisationId);
    for (const prediction of entries.map(decodeEntry))
      if (ids.has(prediction.header.id)) found.push(prediction);
  }
  if (found.length > 0) {
    await uow.write(call, async (tx) => {
      for (const prediction of found) await joinOutcome(tx, prediction);
    });
  }
  // An id that its block does not hold waits for ever; a full page of such would loop.
  return waiting.length === 1000 && found.length > 0;
}

export async function forgetOutputs(tx: Transaction, predictionIds: readonly string[]): Promise<void> {
  for (let at = 0; at < predictionIds.length; at += 1000) {
    await tx.sql
      .withTables<OutcomeTables>()
      .updateTable("predictions.outcomes")
      .set({ outputs: null })
      .where("organisation_id", "=", tx.call.actor.organisationId)
      .where("prediction_id", "in", predictionIds.slice(at, at + 1000))
      .execute();
  }
}

/** What really happened to somebody is theirs as much as what was predicted: it goes with the payload. */
export async function eraseOutcomes(tx: Transaction, predictionIds: readonly string[]): Promise<void> {
  for (let at = 0; at < predictionIds.length; at += 1000) {
    await tx.sql
      .withTables<OutcomeTables>()
      .deleteFrom("predictions.outcomes")
      .where("organisation_id", "=", tx.call.actor.organisationId)
      .where("prediction_id", "in", predictionIds.slice(at, at + 1000))
      .execute();
  }
}

// PostgreSQL text holds no NUL, and a binary answer has no text.
function printable(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes).toString("utf8");
  return text.includes("\0") || text.includes("\uFFFD") ? null : text;
}
