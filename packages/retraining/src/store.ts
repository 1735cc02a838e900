import { type Environment, type Sql, type Transaction } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import { sql as raw } from "kysely";
import type {
  EndState,
  Made,
  OpenState,
  Retraining,
  RetrainingCause,
  RetrainingMove,
  RetrainingTerms,
} from "./contract.ts";
import { openStates } from "./contract.ts";
import type { Champion } from "./ports.ts";

type RetrainingTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  endpoint: string;
  use_case_id: string;
  business_unit_id: string;
  team_id: string | null;
  model: string;
  champion_version: number;
  state: OpenState | EndState;
  cause: JSONColumnType<RetrainingCause>;
  terms: JSONColumnType<RetrainingTerms>;
  requested_by: string;
  made: JSONColumnType<Made>;
  moves: JSONColumnType<RetrainingMove[]>;
  reasons: JSONColumnType<string[]>;
  approved_by: string | null;
  approved_at: number | null;
  faults: number;
  problem: string | null;
  started_at: number;
  ended_by: string | null;
  ended_at: number | null;
};

const tables = (sql: Sql) => sql.withTables<{ "retraining.retrainings": RetrainingTable }>();

/** A retraining with what the controller needs besides. */
export interface StoredRetraining extends Retraining {
  readonly champion: Champion;
  readonly faults: number;
}

export interface NewRetraining {
  readonly id: string;
  readonly champion: Champion;
  readonly cause: RetrainingCause;
  readonly terms: RetrainingTerms;
  readonly requestedBy: string;
}

export async function insertRetraining(tx: Transaction, row: NewRetraining): Promise<void> {
  const { champion } = row;
  const begun: RetrainingMove = { state: "preparing", at: tx.now, note: row.cause.reason };
  await tables(tx.sql)
    .insertInto("retraining.retrainings")
    .values({
      id: row.id,
      organisation_id: tx.call.actor.organisationId,
      environment: champion.environment,
      endpoint: champion.endpoint,
      use_case_id: champion.useCaseId,
      business_unit_id: champion.businessUnitId,
      team_id: champion.teamId,
      model: champion.model,
      champion_version: champion.version,
      state: begun.state,
      cause: JSON.stringify(row.cause),
      terms: JSON.stringify(row.terms),
      requested_by: row.requestedBy,
      made: JSON.stringify({}),
      moves: JSON.stringify([begun]),
      reasons: JSON.stringify([row.cause.reason]),
      approved_by: null,
      approved_at: null,
      faults: 0,
      problem: null,
      started_at: tx.now,
      ended_by: null,
      ended_at: null,
    })
    .execute();
}

const all = (sql: Sql, organisationId: string) =>
  tables(sql).selectFrom("retraining.retrainings").selectAll().where("organisation_id", "=", organisationId);

export async function findRetraining(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredRetraining | undefined> {
  const row = await all(sql, organisationId).where("id", "=", id).executeTakeFirst();
  return row && storedOf(row);
}

/** The one of a use case that is under way. */
export async function findOpenId(
  sql: Sql,
  organisationId: string,
  useCaseId: string,
): Promise<string | undefined> {
  const row = await all(sql, organisationId)
    .where("use_case_id", "=", useCaseId)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return row?.id;
}

export async function listOpen(sql: Sql, organisationId: string): Promise<StoredRetraining[]> {
  const rows = await all(sql, organisationId).where("ended_at", "is", null).orderBy("started_at").execute();
  return rows.map(storedOf);
}

const mostListed = 100;

/** The newest first; of one endpoint where it is named. */
export async function listRetrainings(
  sql: Sql,
  organisationId: string,
  of: { readonly endpoint?: string; readonly environment?: Environment } = {},
): Promise<StoredRetraining[]> {
  let query = all(sql, organisationId);
  if (of.endpoint !== undefined) query = query.where("endpoint", "=", of.endpoint);
  if (of.environment !== undefined) query = query.where("environment", "=", of.environment);
  const rows = await query.orderBy("started_at", "desc").orderBy("id", "desc").limit(mostListed).execute();
  return rows.map(storedOf);
}

/** Those that made this version and are over, oldest first. */
export async function retrainingsOver(
  sql: Sql,
  organisationId: string,
  versionId: string,
): Promise<StoredRetraining[]> {
  const rows = await all(sql, organisationId)
    .where(raw`made ->> 'versionId'`, "=", versionId)
    .where("ended_at", "is not", null)
    .orderBy("ended_at")
    .limit(mostListed)
    .execute();
  return rows.map(storedOf);
}

/** When retrainings of a use case began since then, and when the last one ended. */
export async function historyOf(
  sql: Sql,
  organisationId: string,
  useCaseId: string,
  since: number,
): Promise<{ readonly starts: number[]; readonly lastEndedAt: number | undefined }> {
  const rows = await tables(sql)
    .selectFrom("retraining.retrainings")
    .select(["started_at", "ended_at"])
    .where("organisation_id", "=", organisationId)
    .where("use_case_id", "=", useCaseId)
    .where((where) => where.or([where("started_at", ">=", since), where("ended_at", ">=", since)]))
    .execute();
  const ends = rows.map(({ ended_at: end }) => end).filter((end) => end !== null);
  return {
    starts: rows.map(({ started_at: start }) => start),
    lastEndedAt: ends.length === 0 ? undefined : Math.max(...ends),
  };
}

export interface Move {
  readonly state: OpenState | EndState;
  readonly note: string;
  readonly reasons?: readonly string[];
  readonly made?: Made;
}

/** @returns false when it stands elsewhere by now: whoever was quicker has moved it */
export async function moveRetraining(
  tx: Transaction,
  { id, state, made }: StoredRetraining,
  { state: to, note, reasons, made: more }: Move,
): Promise<boolean> {
  const isOver = !isOpenState(to);
  const move: RetrainingMove = { state: to, at: tx.now, note };
  const moved = await tables(tx.sql)
    .updateTable("retraining.retrainings")
    .set({
      state: to,
      moves: raw`moves || ${JSON.stringify([move])}::jsonb`,
      made: JSON.stringify({ ...made, ...more }),
      reasons: JSON.stringify(reasons ?? [note]),
      faults: 0,
      problem: null,
      ...(isOver ? { ended_by: tx.call.actor.id, ended_at: tx.now } : {}),
    })
    .where("id", "=", id)
    .where("state", "=", state)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return moved.numUpdatedRows === 1n;
}

/** What the present step has come to, without leaving it. */
export async function noteStanding(
  tx: Transaction,
  { id, state }: StoredRetraining,
  note: {
    readonly reasons?: readonly string[];
    readonly faults?: number;
    readonly problem?: string | null;
    readonly made?: Made;
  },
): Promise<void> {
  const { reasons, faults, problem, made } = note;
  await tables(tx.sql)
    .updateTable("retraining.retrainings")
    .set({
      ...(reasons ? { reasons: JSON.stringify(reasons) } : {}),
      ...(faults === undefined ? {} : { faults }),
      ...(problem === undefined ? {} : { problem }),
      ...(made ? { made: JSON.stringify(made) } : {}),
    })
    .where("id", "=", id)
    .where("state", "=", state)
    .execute();
}

/** @returns false when it does not wait for an approval */
export async function approve(tx: Transaction, id: string): Promise<boolean> {
  const approved = await tables(tx.sql)
    .updateTable("retraining.retrainings")
    .set({ approved_by: tx.call.actor.id, approved_at: tx.now })
    .where("id", "=", id)
    .where("state", "=", "waiting_for_approval")
    .where("approved_by", "is", null)
    .executeTakeFirst();
  return approved.numUpdatedRows === 1n;
}

export function isOpenState(state: OpenState | EndState): state is OpenState {
  return openStates.some((one) => one === state);
}

function storedOf(row: Selectable<RetrainingTable>): StoredRetraining {
  const { environment, endpoint, model } = row;
  return {
    id: row.id,
    endpoint,
    environment,
    useCaseId: row.use_case_id,
    model,
    championVersion: row.champion_version,
    state: row.state,
    isOpen: row.ended_at === null,
    cause: row.cause,
    terms: row.terms,
    made: row.made,
    moves: row.moves,
    reasons: row.reasons,
    problem: row.problem,
    requestedBy: row.requested_by,
    approvedBy: row.approved_by,
    approvedAt: row.approved_at,
    startedAt: row.started_at,
    endedBy: row.ended_by,
    endedAt: row.ended_at,
    champion: {
      endpoint,
      environment,
      useCaseId: row.use_case_id,
      businessUnitId: row.business_unit_id,
      teamId: row.team_id,
      model,
      version: row.champion_version,
    },
    faults: row.faults,
  };
}
