import type { CallContext, Sql, Transaction, UnitOfWork } from "@portolan/kernel";
import { type Generated, sql, type UpdateObject } from "kysely";
import type { PartFiles } from "../archive/part-files.ts";
import type { PredictionHeader, StoredPrediction } from "../contract.ts";
import { decodeEntry } from "../format/record-codec.ts";
import type { PartSpot } from "./store.ts";

type OutcomeTable = {
  organisation_id: string;
  prediction_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  revision: number;
  retracted: boolean;
  /** Null in a retraction. */
  outcome: unknown;
  observed_at: number;
  reported_at: number;
  reported_by: string;
  use_case_id: string | null;
  endpoint: string | null;
  environment: string | null;
  model_name: string | null;
  model_version: string | null;
  variant: string | null;
  received_at: number | null;
  outputs: string | null;
  snapshot_version: number | null;
  reach: string;
  beyond_reach: Generated<boolean>;
  source: Generated<string>;
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
  "prediction_id" | "writer_id" | "epoch" | "block" | "observed_at" | "revision" | "retracted"
> & {
  /** JSON; null in a retraction. */
  readonly outcome: string | null;
};

export async function insertOutcome(
  tx: Transaction,
  outcome: NewOutcome,
  reach: readonly string[],
  source = "reported",
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
      use_case_id: null,
      endpoint: null,
      environment: null,
      model_name: null,
      model_version: null,
      variant: null,
      received_at: null,
      outputs: null,
      snapshot_version: null,
      reach: reach.join(),
      source,
    })
    .execute();
}

/** How many labels of a prediction one source has given. */
export async function countLabelsFrom(
  tx: Transaction,
  predictionId: string,
  source: string,
): Promise<number> {
  const row = await tx.sql
    .withTables<OutcomeTables>()
    .selectFrom("predictions.outcomes")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("prediction_id", "=", predictionId)
    .where("source", "=", source)
    .executeTakeFirst();
  return row?.count ?? 0;
}

/**
 * What was reported under this revision before, as far as this reporter may know: what is joined in an environment of theirs, or
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
      sql<boolean>`outcome is not distinct from ${outcome.outcome}::jsonb and observed_at = ${outcome.observed_at}`.as(
        "same",
      ),
    )
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("prediction_id", "=", outcome.prediction_id)
    .where("revision", "=", outcome.revision)
    .where((where) =>
      where.or([
        where("environment", "in", [...reach]),
        where.and([where("received_at", "is", null), where("reach", "=", reach.join())]),
      ]),
    )
    .executeTakeFirst();
}

/**
 * Gives the first outcome of each revision that could be reported in the prediction's environment what it needs of its prediction. Of
 * the others, those that came too late are removed, and those whose reporter has no say there are set aside.
 */
async function joinOutcome(tx: Transaction, { header, payload }: StoredPrediction): Promise<void> {
  const { context } = header;
  const rows = await ofPrediction(tx, header)
    .select(["reach", "received_at", "revision"])
    .orderBy("reported_at")
    .orderBy("reach")
    .execute();
  const prediction = {
    use_case_id: context.useCaseId,
    endpoint: context.endpoint,
    environment: context.environment,
    model_name: context.model?.name ?? null,
    model_version: context.model?.version ?? null,
    variant: context.variant,
    received_at: header.receivedAt,
    outputs: payload?.outputs ? printable(payload.outputs.bytes) : null,
    // Neither a replay nor who names a version has a part in the shares of a release.
    snapshot_version:
      header.replayOf !== undefined || header.namesVersion === true || header.flag !== undefined
        ? null
        : context.snapshotVersion,
  };
  for (const [revision, same] of Map.groupBy(rows, (row) => row.revision)) {
    const reaching = same.filter(({ reach }) => reach.split(",").includes(context.environment));
    const chosen = reaching.find((row) => row.received_at !== null) ?? reaching[0];
    for (const row of same) {
      const isJoined = row === chosen && row.received_at === null;
      if (isJoined) await changeOutcome(tx, header, row, prediction);
      else if (row === chosen) continue;
      else if (!reaching.includes(row)) await changeOutcome(tx, header, row, { beyond_reach: true });
      else
        await tx.sql
          .withTables<OutcomeTables>()
          .deleteFrom("predictions.outcomes")
          .where("organisation_id", "=", context.organisationId)
          .where("prediction_id", "=", header.id)
          .where("revision", "=", revision)
          .where("reach", "=", row.reach)
          .execute();
    }
  }
}

function ofPrediction(tx: Transaction, { id, context }: PredictionHeader) {
  return tx.sql
    .withTables<OutcomeTables>()
    .selectFrom("predictions.outcomes")
    .where("organisation_id", "=", context.organisationId)
    .where("prediction_id", "=", id);
}

async function changeOutcome(
  tx: Transaction,
  { id, context }: PredictionHeader,
  { revision, reach }: Pick<OutcomeTable, "revision" | "reach">,
  change: UpdateObject<OutcomeTables, "predictions.outcomes">,
): Promise<void> {
  await tx.sql
    .withTables<OutcomeTables>()
    .updateTable("predictions.outcomes")
    .set(change)
    .where("organisation_id", "=", context.organisationId)
    .where("prediction_id", "=", id)
    .where("revision", "=", revision)
    .where("reach", "=", reach)
    .execute();
}

interface OutcomeSpot extends PartSpot {
  readonly prediction_id: string;
}

/** Outcomes whose prediction has arrived and that do not know it yet. */
function waitingOutcomes(sqlSession: Sql, organisationId: string, limit: number): Promise<OutcomeSpot[]> {
  return outcomeSpots(sqlSession, organisationId)
    .where("outcome.received_at", "is", null)
    .where("outcome.beyond_reach", "=", false)
    .orderBy("part.file")
    .limit(limit)
    .execute();
}

/** Where the records of these predictions lie, of those that have an outcome. */
export function spotsOfOutcomes(
  sqlSession: Sql,
  organisationId: string,
  predictionIds: readonly string[],
): Promise<OutcomeSpot[]> {
  if (predictionIds.length === 0) return Promise.resolve([]);
  return outcomeSpots(sqlSession, organisationId)
    .where("outcome.prediction_id", "in", predictionIds)
    .distinct()
    .execute();
}

function outcomeSpots(sqlSession: Sql, organisationId: string) {
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
    .where("outcome.organisation_id", "=", organisationId);
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
