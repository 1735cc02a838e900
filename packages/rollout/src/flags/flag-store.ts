import { asEpochMicros, type Environment, type EpochMicros, type Sql } from "@portolan/kernel";
import type { FlagDefinition } from "@portolan/serving/contract";
import type { Selectable } from "kysely";
import { json } from "../store.ts";

/** Which flag of which endpoint. */
export interface FlagPlace {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
  readonly key: string;
}

/** A flag in force. */
export interface StoredFlag extends FlagPlace {
  readonly id: string;
  readonly definition: FlagDefinition;
  readonly version: number;
  readonly setBy: string;
  readonly setAt: EpochMicros;
}

/** A change that waits for approval, or waited for it. */
export interface StoredChange extends FlagPlace {
  readonly id: string;
  readonly definition: FlagDefinition;
  readonly reason: string;
  readonly approvalsNeeded: number;
  readonly approvals: readonly { readonly by: string; readonly at: EpochMicros }[];
  readonly requestedBy: string;
  readonly requestedAt: EpochMicros;
  readonly state: ChangeState;
}
export type ChangeState = "waiting" | "in_force" | "superseded";

type Place = {
  readonly organisation_id: string;
  readonly environment: Environment;
  readonly endpoint: string;
  readonly key: string;
};
type FlagsTable = Place & {
  readonly id: string;
  readonly definition: FlagDefinition;
  readonly version: number;
  readonly set_by: string;
  readonly set_at: number;
};
type ChangesTable = Place & {
  readonly id: string;
  readonly definition: FlagDefinition;
  readonly reason: string;
  readonly approvals_needed: number;
  readonly requested_by: string;
  readonly requested_at: number;
  readonly state: ChangeState;
};
type FlagTables = {
  "rollout.flags": FlagsTable;
  "rollout.flag_changes": ChangesTable;
  "rollout.flag_approvals": {
    readonly change_id: string;
    readonly approved_by: string;
    readonly approved_at: number;
  };
};

const tables = (sql: Sql) => sql.withTables<FlagTables>();

function rowOf({ organisationId, environment, endpoint, key }: FlagPlace): Place {
  return { organisation_id: organisationId, environment, endpoint, key };
}

function placeOf({ organisation_id: organisationId, environment, endpoint, key }: Place): FlagPlace {
  return { organisationId, environment, endpoint, key };
}

/** Flags in force, by environment, endpoint and key: of one endpoint, or of the whole organisation. */
export async function listFlags(sql: Sql, organisationId: string, endpoint?: string): Promise<StoredFlag[]> {
  const rows = await tables(sql)
    .selectFrom("rollout.flags")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .$if(endpoint !== undefined, (query) => query.where("endpoint", "=", endpoint ?? ""))
    .orderBy("environment")
    .orderBy("endpoint")
    .orderBy("key")
    .execute();
  return rows.map((row) => ({
    ...placeOf(row),
    id: row.id,
    definition: row.definition,
    version: row.version,
    setBy: row.set_by,
    setAt: asEpochMicros(row.set_at),
  }));
}

/** False when another change came first: the version that it is to replace (0: none) is not in force. */
export async function putFlag(sql: Sql, flag: StoredFlag, instead: number): Promise<boolean> {
  const { id, definition, version, setBy, setAt } = flag;
  const values = { definition: json<FlagDefinition>(definition), version, set_by: setBy, set_at: setAt };
  if (instead === 0) {
    const inserted = await tables(sql)
      .insertInto("rollout.flags")
      .values({ ...rowOf(flag), id, ...values })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return (inserted.numInsertedOrUpdatedRows ?? 0n) === 1n;
  }
  const updated = await tables(sql)
    .updateTable("rollout.flags")
    .set(values)
    .where("id", "=", id)
    .where("version", "=", instead)
    .executeTakeFirst();
  return updated.numUpdatedRows === 1n;
}

export async function deleteFlag(sql: Sql, { id, version }: StoredFlag): Promise<boolean> {
  const deleted = await tables(sql)
    .deleteFrom("rollout.flags")
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst();
  return deleted.numDeletedRows === 1n;
}

/** False when another change of the flag began to wait at the same moment. */
export async function insertChange(
  sql: Sql,
  change: Omit<StoredChange, "approvals" | "state">,
): Promise<boolean> {
  const inserted = await tables(sql)
    .insertInto("rollout.flag_changes")
    .values({
      ...rowOf(change),
      id: change.id,
      definition: json<FlagDefinition>(change.definition),
      reason: change.reason,
      approvals_needed: change.approvalsNeeded,
      requested_by: change.requestedBy,
      requested_at: change.requestedAt,
      state: "waiting",
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) === 1n;
}

/** Ends what waits at a flag: whatever comes into force, or is asked for anew, takes its place. */
export async function supersedeChanges(sql: Sql, place: FlagPlace): Promise<void> {
  await tables(sql)
    .updateTable("rollout.flag_changes")
    .set({ state: "superseded" })
    .where("organisation_id", "=", place.organisationId)
    .where("environment", "=", place.environment)
    .where("endpoint", "=", place.endpoint)
    .where("key", "=", place.key)
    .where("state", "=", "waiting")
    .execute();
}

/** False when it does not wait any more. */
export async function settleChange(sql: Sql, id: string): Promise<boolean> {
  const settled = await tables(sql)
    .updateTable("rollout.flag_changes")
    .set({ state: "in_force" })
    .where("id", "=", id)
    .where("state", "=", "waiting")
    .executeTakeFirst();
  return settled.numUpdatedRows === 1n;
}

/** False when this person has approved already. */
export async function insertFlagApproval(
  sql: Sql,
  id: string,
  by: string,
  at: EpochMicros,
): Promise<boolean> {
  const inserted = await tables(sql)
    .insertInto("rollout.flag_approvals")
    .values({ change_id: id, approved_by: by, approved_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) === 1n;
}

/** Changes of an endpoint's flags that wait. */
export async function listWaiting(
  sql: Sql,
  organisationId: string,
  endpoint: string,
): Promise<StoredChange[]> {
  const rows = await changesOf(sql, organisationId)
    .where("endpoint", "=", endpoint)
    .where("state", "=", "waiting")
    .orderBy("environment")
    .orderBy("key")
    .execute();
  return withApprovals(sql, rows);
}

export async function findChange(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredChange | undefined> {
  const rows = await changesOf(sql, organisationId).where("id", "=", id).execute();
  const [found] = await withApprovals(sql, rows);
  return found;
}

function changesOf(sql: Sql, organisationId: string) {
  return tables(sql)
    .selectFrom("rollout.flag_changes")
    .selectAll()
    .where("organisation_id", "=", organisationId);
}

async function withApprovals(sql: Sql, rows: readonly Selectable<ChangesTable>[]): Promise<StoredChange[]> {
  if (rows.length === 0) return [];
  const approvals = await tables(sql)
    .selectFrom("rollout.flag_approvals")
    .selectAll()
    .where(
      "change_id",
      "in",
      rows.map(({ id }) => id),
    )
    .orderBy("approved_at")
    .execute();
  return rows.map((row) => ({
    ...placeOf(row),
    id: row.id,
    definition: row.definition,
    reason: row.reason,
    approvalsNeeded: row.approvals_needed,
    approvals: approvals
      .filter((one) => one.change_id === row.id)
      .map(({ approved_by: by, approved_at: at }) => ({ by, at: asEpochMicros(at) })),
    requestedBy: row.requested_by,
    requestedAt: asEpochMicros(row.requested_at),
    state: row.state,
  }));
}
