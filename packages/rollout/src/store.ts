import { asEpochMicros, type Environment, type EpochMicros, type Sql } from "@portolan/kernel";
import type { DeployRequest } from "@portolan/serving/contract";
import { sql as raw, type Selectable } from "kysely";
import type { ReleaseState } from "./contract.ts";
import type { ReleasePlan } from "./plan.ts";
import type { DeployedRelease } from "./step-deployment.ts";

type ReleasesTable = {
  readonly id: string;
  readonly organisation_id: string;
  readonly environment: Environment;
  readonly endpoint: string;
  readonly use_case_id: string;
  readonly business_unit_id: string;
  readonly team_id: string | null;
  readonly model: string;
  readonly version: number;
  readonly features: NonNullable<DeployRequest["features"]> | null;
  readonly champion_model: string;
  readonly champion_version: number;
  readonly base_request: DeployRequest;
  readonly plan: ReleasePlan;
  readonly approvals_needed: number;
  readonly state: ReleaseState;
  readonly step: number;
  readonly deployment_id: string | null;
  readonly before_deployment_id: string;
  readonly reasons: readonly string[];
  readonly problem: string | null;
  readonly requested_by: string;
  readonly started_at: number;
  readonly ended_by: string | null;
  readonly ended_at: number | null;
};

type ApprovalsTable = {
  readonly release_id: string;
  readonly approved_by: string;
  readonly approved_at: number;
};

type StepsTable = {
  readonly release_id: string;
  readonly step: number;
  readonly deployment_id: string;
  readonly snapshot_version: number;
  readonly since: number;
};

type CountedBlocksTable = {
  readonly release_id: string;
  readonly writer_id: string;
  readonly epoch: number;
  readonly block: number;
};

type PostedEventsTable = {
  readonly release_id: string;
  readonly event: string;
  readonly prediction_digest: string;
  readonly snapshot_version: number;
  readonly arm: "candidate" | "control";
  readonly reported_by: string;
  readonly reported_at: number;
};

type CountsTable = {
  readonly release_id: string;
  readonly snapshot_version: number;
  readonly arm: "candidate" | "control";
  readonly requests: number;
  readonly errors: number;
  readonly slow: number;
  readonly fallbacks: number;
};

type OutcomeCountsTable = {
  readonly release_id: string;
  readonly snapshot_version: number;
  readonly arm: "candidate" | "control";
  readonly labelled: number;
  readonly wrong: number;
};

type AnswerCountsTable = {
  readonly release_id: string;
  readonly snapshot_version: number;
  readonly arm: "candidate" | "control";
  readonly cell: number;
  readonly answers: number;
};

type RolloutTables = {
  "rollout.answer_counts": AnswerCountsTable;
  "rollout.outcome_counts": OutcomeCountsTable;
  "rollout.releases": ReleasesTable;
  "rollout.approvals": ApprovalsTable;
  "rollout.steps": StepsTable;
  "rollout.counted_blocks": CountedBlocksTable;
  "rollout.posted_events": PostedEventsTable;
  "rollout.counts": CountsTable;
};

export const tables = (sql: Sql) => sql.withTables<RolloutTables>();
const openStates: readonly ReleaseState[] = ["running", "paused"];

/** A step that gateways have taken. */
export interface TakenStep {
  readonly step: number;
  /** First snapshot that its requests are answered from. */
  readonly snapshotVersion: number;
  readonly since: EpochMicros;
}

/** A release with what people and gateways have made of it. */
export interface StoredRelease extends DeployedRelease {
  readonly id: string;
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly teamId: string | null;
  readonly champion: { readonly model: string; readonly version: number };
  readonly approvalsNeeded: number;
  readonly approvals: readonly { readonly by: string; readonly at: EpochMicros }[];
  readonly taken: readonly TakenStep[];
  /** Null until the endpoint is deployed as state and step say. */
  readonly deploymentId: string | null;
  readonly beforeDeploymentId: string;
  readonly reasons: readonly string[];
  readonly problem: string | null;
  readonly requestedBy: string;
  readonly startedAt: EpochMicros;
  readonly endedBy: string | null;
  readonly endedAt: number | null;
}

export type NewRelease = Omit<
  StoredRelease,
  "state" | "step" | "approvals" | "taken" | "problem" | "endedBy" | "endedAt" | "beforeDeploymentId"
> & { readonly deploymentId: string };

export async function insertRelease(sql: Sql, release: NewRelease): Promise<void> {
  await tables(sql)
    .insertInto("rollout.releases")
    .values({
      id: release.id,
      organisation_id: release.organisationId,
      environment: release.environment,
      endpoint: release.endpoint,
      use_case_id: release.useCaseId,
      business_unit_id: release.businessUnitId,
      team_id: release.teamId,
      model: release.model,
      version: release.version,
      features: release.features && json(release.features),
      champion_model: release.champion.model,
      champion_version: release.champion.version,
      base_request: json<DeployRequest>(release.base),
      plan: json<ReleasePlan>(release.plan),
      approvals_needed: release.approvalsNeeded,
      state: "running",
      step: -1,
      deployment_id: release.deploymentId,
      before_deployment_id: release.deploymentId,
      reasons: json<readonly string[]>(release.reasons),
      problem: null,
      requested_by: release.requestedBy,
      started_at: release.startedAt,
      ended_by: null,
      ended_at: null,
    })
    .execute();
}

/** The release of an endpoint that is under way, or whose end is not deployed yet. */
export async function findOpenId(
  sql: Sql,
  organisationId: string,
  environment: Environment,
  endpoint: string,
): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("rollout.releases")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .where((where) => where.or([where("state", "in", openStates), where("deployment_id", "is", null)]))
    .executeTakeFirst();
  return row?.id;
}

/** The version that the release under way at an endpoint brings to it. */
export async function candidateAt(
  sql: Sql,
  { organisationId, environment, endpoint }: Pick<NewRelease, "organisationId" | "environment" | "endpoint">,
): Promise<{ readonly releaseId: string; readonly name: string; readonly version: number } | undefined> {
  const row = await tables(sql)
    .selectFrom("rollout.releases")
    .select(["id", "model", "version"])
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .where("state", "in", openStates)
    .executeTakeFirst();
  return row && { releaseId: row.id, name: row.model, version: row.version };
}

function releasesOf(sql: Sql, organisationId: string) {
  return tables(sql).selectFrom("rollout.releases").selectAll().where("organisation_id", "=", organisationId);
}

export async function findRelease(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredRelease | undefined> {
  const [found] = await withParts(sql, await releasesOf(sql, organisationId).where("id", "=", id).execute());
  return found;
}

const mostListed = 50;

/** Of an endpoint, newest first. */
export async function listReleases(
  sql: Sql,
  organisationId: string,
  endpoint: string,
): Promise<StoredRelease[]> {
  const rows = await releasesOf(sql, organisationId)
    .where("endpoint", "=", endpoint)
    .orderBy("started_at", "desc")
    .limit(mostListed)
    .execute();
  return withParts(sql, rows);
}

const mostDecided = 100;

/** Those of a candidate that are over, oldest first. */
export async function releasesOver(
  sql: Sql,
  organisationId: string,
  { model, version }: { readonly model: string; readonly version: number },
): Promise<StoredRelease[]> {
  const rows = await releasesOf(sql, organisationId)
    .where("model", "=", model)
    .where("version", "=", version)
    .where("ended_at", "is not", null)
    .orderBy("ended_at", "desc")
    .limit(mostDecided)
    .execute();
  return withParts(sql, rows.toReversed());
}

/** Open ones, and those whose endpoint is not yet deployed as it is to be. */
export async function releasesToSteer(sql: Sql, organisationId: string): Promise<StoredRelease[]> {
  const rows = await releasesOf(sql, organisationId)
    .where((where) => where.or([where("state", "in", openStates), where("deployment_id", "is", null)]))
    .orderBy("started_at")
    .execute();
  return withParts(sql, rows);
}

/** Running and paused ones. */
export async function openReleases(sql: Sql, organisationId: string): Promise<StoredRelease[]> {
  const rows = await releasesOf(sql, organisationId)
    .where("state", "in", openStates)
    .orderBy("started_at")
    .execute();
  return withParts(sql, rows);
}

/** The newest release of an endpoint, whatever its state. */
export async function newestReleaseId(
  sql: Sql,
  { organisationId, environment, endpoint }: StoredRelease,
): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("rollout.releases")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .orderBy("started_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

async function withParts(sql: Sql, rows: readonly Selectable<ReleasesTable>[]): Promise<StoredRelease[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const approvals = await tables(sql)
    .selectFrom("rollout.approvals")
    .selectAll()
    .where("release_id", "in", ids)
    .orderBy("approved_at")
    .execute();
  const steps = await tables(sql)
    .selectFrom("rollout.steps")
    .selectAll()
    .where("release_id", "in", ids)
    .orderBy("step")
    .execute();
  return rows.map((row) => ({
    ...storedRelease(row),
    approvals: approvals
      .filter(({ release_id: id }) => id === row.id)
      .map(({ approved_by: by, approved_at: at }) => ({ by, at: asEpochMicros(at) })),
    taken: steps
      .filter(({ release_id: id }) => id === row.id)
      .map(({ step, snapshot_version: snapshotVersion, since }) => ({
        step,
        snapshotVersion,
        since: asEpochMicros(since),
      })),
  }));
}

function storedRelease(row: Selectable<ReleasesTable>): Omit<StoredRelease, "approvals" | "taken"> {
  return {
    id: row.id,
    organisationId: row.organisation_id,
    environment: row.environment,
    endpoint: row.endpoint,
    useCaseId: row.use_case_id,
    businessUnitId: row.business_unit_id,
    teamId: row.team_id,
    model: row.model,
    version: row.version,
    features: row.features,
    champion: { model: row.champion_model, version: row.champion_version },
    base: row.base_request,
    plan: row.plan,
    approvalsNeeded: row.approvals_needed,
    state: row.state,
    step: row.step,
    deploymentId: row.deployment_id,
    beforeDeploymentId: row.before_deployment_id,
    reasons: row.reasons,
    problem: row.problem,
    requestedBy: row.requested_by,
    startedAt: asEpochMicros(row.started_at),
    endedBy: row.ended_by,
    endedAt: row.ended_at,
  };
}

export function json<T>(value: T) {
  return raw<T>`${JSON.stringify(value)}::jsonb`;
}
