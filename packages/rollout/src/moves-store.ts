import type { EpochMicros, Sql } from "@portolan/kernel";
import type { ReleaseState } from "./contract.ts";
import { json, type StoredRelease, type TakenStep, tables } from "./store.ts";

/** Where a release is, as the caller read it. */
export type ReleasePlace = Pick<StoredRelease, "id" | "state" | "step" | "deploymentId">;

export interface ReleaseMove {
  readonly state: ReleaseState;
  readonly step?: number;
  readonly reasons: readonly string[];
  /** Who ended it, and when. */
  readonly ended?: { readonly by: string; readonly at: EpochMicros };
  /** The deployment that the endpoint has already; absent where another is to be made. */
  readonly deploymentId?: string;
}

/**
 * Moves a release on from where it was read.
 * @returns false when it is elsewhere by now: the caller's reason is out of date
 */
export async function moveRelease(sql: Sql, from: ReleasePlace, move: ReleaseMove): Promise<boolean> {
  const { state, step, reasons, ended, deploymentId } = move;
  const moved = await tables(sql)
    .updateTable("rollout.releases")
    .set((set) => ({
      state,
      reasons: json<readonly string[]>(reasons),
      problem: null,
      deployment_id: deploymentId ?? null,
      before_deployment_id: set.fn.coalesce("deployment_id", "before_deployment_id"),
      ...(step === undefined ? {} : { step }),
      ...(ended ? { ended_by: ended.by, ended_at: ended.at } : {}),
    }))
    .where("id", "=", from.id)
    .where("state", "=", from.state)
    .where("step", "=", from.step)
    .where("deployment_id", from.deploymentId === null ? "is" : "=", from.deploymentId)
    .executeTakeFirst();
  return moved.numUpdatedRows === 1n;
}

/** Notes that the endpoint is deployed as the release's place says. */
export async function noteDeployment(sql: Sql, from: ReleasePlace, deploymentId: string): Promise<boolean> {
  const noted = await tables(sql)
    .updateTable("rollout.releases")
    .set({ deployment_id: deploymentId, problem: null })
    .where("id", "=", from.id)
    .where("state", "=", from.state)
    .where("step", "=", from.step)
    .where("deployment_id", "is", null)
    .executeTakeFirst();
  return noted.numUpdatedRows === 1n;
}

/** Pauses and resumes, without another deployment. */
export async function setPaused(sql: Sql, from: ReleasePlace, isPaused: boolean): Promise<boolean> {
  const set = await tables(sql)
    .updateTable("rollout.releases")
    .set({ state: isPaused ? "paused" : "running" })
    .where("id", "=", from.id)
    .where("state", "=", isPaused ? "running" : "paused")
    .executeTakeFirst();
  return set.numUpdatedRows === 1n;
}

/** Notes why a release stands where it was read; one that was moved meanwhile has its own reasons. */
export async function noteStanding(
  sql: Sql,
  { id, state, step }: Omit<ReleasePlace, "deploymentId">,
  standing: {
    readonly reasons?: readonly string[];
    readonly problem?: string;
    readonly approvalsNeeded?: number;
  },
): Promise<void> {
  const { reasons, problem, approvalsNeeded } = standing;
  await tables(sql)
    .updateTable("rollout.releases")
    .set({
      ...(reasons ? { reasons: json<readonly string[]>(reasons) } : {}),
      ...(problem === undefined ? {} : { problem }),
      ...(approvalsNeeded === undefined ? {} : { approvals_needed: approvalsNeeded }),
    })
    .where("id", "=", id)
    .where("state", "=", state)
    .where("step", "=", step)
    .execute();
}

export async function insertTakenStep(
  sql: Sql,
  releaseId: string,
  taken: TakenStep & { readonly deploymentId: string },
): Promise<void> {
  await tables(sql)
    .insertInto("rollout.steps")
    .values({
      release_id: releaseId,
      step: taken.step,
      deployment_id: taken.deploymentId,
      snapshot_version: taken.snapshotVersion,
      since: taken.since,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** False when this person has approved already. */
export async function insertApproval(
  sql: Sql,
  releaseId: string,
  by: string,
  at: EpochMicros,
): Promise<boolean> {
  const inserted = await tables(sql)
    .insertInto("rollout.approvals")
    .values({ release_id: releaseId, approved_by: by, approved_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) === 1n;
}
