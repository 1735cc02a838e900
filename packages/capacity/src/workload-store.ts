import type { Environment, Sql } from "@portolan/kernel";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { EndedWork } from "./admission/expected-wait.ts";
import type { IdleState, QueueReason, Workload } from "./admission/workload.ts";
import type { Approval, QueueState, WorkKind } from "./contract.ts";

type WorkloadTable = {
  id: string;
  organisation_id: string;
  kind: WorkKind;
  environment: Environment;
  use_case_id: string | null;
  team: string | null;
  job: string;
  started_by: string;
  asked: JSONColumnType<Readonly<Record<string, number>>>;
  assumed: JSONColumnType<Readonly<Record<string, number>>>;
  priority: number;
  is_preemptible: boolean;
  state: QueueState;
  arrived_at: number;
  not_before: number | null;
  admitted_seq: number | null;
  admitted_at: number | null;
  begun_at: number | null;
  ended_at: number | null;
  ran_micros: number;
  was_evicted: boolean;
  evictions: number;
  evicted_by: string | null;
  reason: QueueReason | null;
  reason_resource: string | null;
  position: number | null;
  started_for: string | null;
  is_elsewhere: boolean;
  approval: Approval["state"] | null;
  approval_for: string | null;
  approval_by: string | null;
  approval_at: number | null;
  approval_reason: string | null;
  idle: JSONColumnType<IdleState> | null;
};

const tables = (sql: Sql) => sql.withTables<{ "capacity.workloads": WorkloadTable }>();

/** One that is there already stays as it is. */
export async function insertWorkload(
  sql: Sql,
  organisationId: string,
  work: Pick<
    Workload,
    | "id"
    | "kind"
    | "environment"
    | "useCaseId"
    | "team"
    | "job"
    | "startedBy"
    | "asked"
    | "assumed"
    | "priority"
    | "isPreemptible"
    | "arrivedAt"
    | "notBefore"
    | "startedFor"
    | "isElsewhere"
    | "approval"
  >,
): Promise<void> {
  await tables(sql)
    .insertInto("capacity.workloads")
    .values({
      id: work.id,
      organisation_id: organisationId,
      kind: work.kind,
      environment: work.environment as Environment,
      use_case_id: work.useCaseId ?? null,
      team: work.team ?? null,
      job: work.job,
      started_by: work.startedBy,
      asked: JSON.stringify(work.asked),
      assumed: JSON.stringify(work.assumed),
      priority: work.priority,
      is_preemptible: work.isPreemptible,
      state: "waiting",
      arrived_at: work.arrivedAt,
      not_before: work.notBefore ?? null,
      ran_micros: 0,
      was_evicted: false,
      evictions: 0,
      started_for: work.startedFor ?? null,
      is_elsewhere: work.isElsewhere ?? false,
      ...approvalColumns(work.approval),
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

function approvalColumns(approval: Approval | undefined) {
  return {
    approval: approval?.state ?? null,
    approval_for: approval?.for ?? null,
    approval_by: approval?.by ?? null,
    approval_at: approval?.at ?? null,
    approval_reason: approval?.reason ?? null,
  };
}

/** @param approval undefined: nobody need approve it any more */
export async function noteApproval(sql: Sql, id: string, approval: Approval | undefined): Promise<void> {
  await tables(sql)
    .updateTable("capacity.workloads")
    .set(approvalColumns(approval))
    .where("id", "=", id)
    .execute();
}

export async function findWorkload(sql: Sql, id: string): Promise<(Workload & Owned) | undefined> {
  const row = await tables(sql)
    .selectFrom("capacity.workloads")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  return row && { ...workload(row), organisationId: row.organisation_id };
}

interface Owned {
  readonly organisationId: string;
}

/** All that is not over, the oldest first. */
export async function openWorkloads(sql: Sql, organisationId: string): Promise<Workload[]> {
  const rows = await tables(sql)
    .selectFrom("capacity.workloads")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("state", "<>", "ended")
    .orderBy("arrived_at")
    .orderBy("id")
    .execute();
  return rows.map(workload);
}

export async function countWaiting(sql: Sql, organisationId: string): Promise<number> {
  const { count } = await tables(sql)
    .selectFrom("capacity.workloads")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "waiting")
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** @param idle undefined: nothing is known of it any more */
export async function noteIdle(sql: Sql, id: string, idle: IdleState | undefined): Promise<void> {
  await tables(sql)
    .updateTable("capacity.workloads")
    .set({ idle: idle === undefined ? null : JSON.stringify(idle) })
    .where("id", "=", id)
    .where("state", "<>", "ended")
    .execute();
}

/** It waits again, behind those that came meanwhile. */
export async function noteArrival(sql: Sql, id: string, now: number): Promise<void> {
  await tables(sql).updateTable("capacity.workloads").set({ arrived_at: now }).where("id", "=", id).execute();
}

/** Those of them that wait, or were stopped. */
export async function waitingAmong(sql: Sql, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tables(sql)
    .selectFrom("capacity.workloads")
    .select("id")
    .where("id", "in", [...ids])
    .where("state", "in", ["waiting", "stopped"])
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** How long the last of them took. */
export async function endedWork(sql: Sql, organisationId: string): Promise<EndedWork[]> {
  const rows = await tables(sql)
    .selectFrom("capacity.workloads")
    .select(["kind", "team", "ran_micros"])
    .where("organisation_id", "=", organisationId)
    .where("state", "=", "ended")
    // Work on another cluster says nothing of how long parts of the quotas are held.
    .where("is_elsewhere", "=", false)
    .where("ran_micros", ">", 0)
    .orderBy("ended_at", "desc")
    .limit(200)
    .execute();
  return rows.map(({ kind, team, ran_micros: micros }) => ({
    kind,
    ...(team === null ? {} : { team }),
    micros,
  }));
}

export interface WorkloadChange {
  readonly state: QueueState;
  readonly seq?: number;
  /** Absent: as it was. */
  readonly evictedBy?: string;
  readonly gaveWay?: boolean;
  readonly now: number;
}

/** Moves one from one state to another; what it ran for is added up when it stops. */
export async function moveWorkload(
  sql: Sql,
  id: string,
  { state, seq, evictedBy, gaveWay, now }: WorkloadChange,
): Promise<void> {
  const isWaiting = state === "waiting" || state === "stopped";
  const isStopping = isWaiting || state === "ended";
  await tables(sql)
    .updateTable("capacity.workloads")
    .set({
      state,
      ...(state === "admitted" && seq !== undefined ? { admitted_seq: seq, admitted_at: now } : {}),
      ...(state === "running" ? { begun_at: now } : {}),
      ...(isStopping
        ? {
            ran_micros: raw<number>`ran_micros + coalesce(greatest(0, ${now}::bigint - begun_at), 0)`,
            begun_at: null,
          }
        : {}),
      ...(isWaiting ? { admitted_seq: null, admitted_at: null } : {}),
      ...(state === "ended" ? { ended_at: now } : {}),
      ...(state === "waiting"
        ? {}
        : { reason: null, reason_resource: null, position: null, not_before: null }),
      ...(evictedBy === undefined ? {} : { evicted_by: evictedBy, evictions: raw<number>`evictions + 1` }),
      ...(gaveWay === true ? { was_evicted: raw<boolean>`true` } : {}),
    })
    .where("id", "=", id)
    .where("state", "<>", "ended")
    .execute();
}

/** It evicts nobody to borrow from now on. */
export async function markGaveWay(sql: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tables(sql)
    .updateTable("capacity.workloads")
    .set({ was_evicted: raw<boolean>`true` })
    .where("id", "in", [...ids])
    .execute();
}

export async function noteWait(
  sql: Sql,
  id: string,
  wait: { readonly reason: QueueReason; readonly resource?: string; readonly position: number },
): Promise<void> {
  await tables(sql)
    .updateTable("capacity.workloads")
    .set({ reason: wait.reason, reason_resource: wait.resource ?? null, position: wait.position })
    .where("id", "=", id)
    .where("state", "=", "waiting")
    .execute();
}

/** What is known of it when its job begins: whether it may still be evicted, that its window is open, and what it asks of the quotas of today. */
export async function refreshWorkload(
  sql: Sql,
  id: string,
  known: {
    readonly isPreemptible: boolean;
    readonly notBefore: number | null;
    /** Of one that has no part of the quota. */
    readonly amounts?: Pick<Workload, "asked" | "assumed">;
  },
): Promise<void> {
  const { amounts } = known;
  await tables(sql)
    .updateTable("capacity.workloads")
    .set({
      is_preemptible: known.isPreemptible,
      not_before: known.notBefore,
      ...(amounts ? { asked: JSON.stringify(amounts.asked), assumed: JSON.stringify(amounts.assumed) } : {}),
    })
    .where("id", "=", id)
    .execute();
}

function workload(row: Selectable<WorkloadTable>): Workload {
  return {
    id: row.id,
    kind: row.kind,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    ...(row.team === null ? {} : { team: row.team }),
    job: row.job,
    startedBy: row.started_by,
    ...(row.started_for === null ? {} : { startedFor: row.started_for }),
    ...(row.is_elsewhere ? { isElsewhere: true } : {}),
    ...(row.approval === null ? {} : { approval: approvalOf(row.approval, row) }),
    asked: row.asked,
    assumed: row.assumed,
    priority: row.priority,
    isPreemptible: row.is_preemptible,
    state: row.state,
    arrivedAt: row.arrived_at,
    ...(row.not_before === null ? {} : { notBefore: row.not_before }),
    ...(row.admitted_seq === null ? {} : { admittedSeq: row.admitted_seq }),
    ...(row.admitted_at === null ? {} : { admittedAt: row.admitted_at }),
    ...(row.begun_at === null ? {} : { begunAt: row.begun_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    ranMicros: row.ran_micros,
    wasEvicted: row.was_evicted,
    evictions: row.evictions,
    ...(row.evicted_by === null ? {} : { evictedBy: row.evicted_by }),
    ...(row.reason === null || row.position === null
      ? {}
      : {
          wait: {
            reason: row.reason,
            ...(row.reason_resource === null ? {} : { resource: row.reason_resource }),
            position: row.position,
          },
        }),
    ...(row.idle === null ? {} : { idle: row.idle }),
  };
}

function approvalOf(state: Approval["state"], row: Selectable<WorkloadTable>): Approval {
  return {
    state,
    for: row.approval_for ?? "",
    ...(row.approval_by === null ? {} : { by: row.approval_by }),
    ...(row.approval_at === null ? {} : { at: row.approval_at }),
    ...(row.approval_reason === null ? {} : { reason: row.approval_reason }),
  };
}
