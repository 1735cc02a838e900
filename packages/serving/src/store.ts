import { asEpochMicros, type Environment, type Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { Endpoint } from "./endpoint.ts";
import type { Route, SignedSnapshot, SnapshotManifest } from "./snapshot/schema.ts";

type EndpointsTable = {
  readonly id: string;
  readonly organisation_id: string;
  readonly name: string;
  readonly environment: Environment;
  readonly business_unit_id: string;
  readonly team_id: string | null;
  readonly use_case_id: string;
  readonly deployment_id: string;
  readonly created_at: number;
  readonly created_by: string;
};

type DeploymentsTable = {
  readonly id: string;
  readonly endpoint_id: string;
  readonly organisation_id: string;
  readonly route: Route;
  readonly deployed_at: number;
  readonly deployed_by: string;
  readonly snapshot_version: number | null;
};

type SnapshotsTable = {
  readonly organisation_id: string;
  readonly version: number;
  readonly content_digest: string;
  readonly signed: SignedSnapshot;
  readonly manifest: SnapshotManifest;
  readonly fetchable: readonly string[];
  readonly created_at: number;
};

type ServingTables = {
  "serving.endpoints": EndpointsTable;
  "serving.deployments": DeploymentsTable;
  "serving.snapshots": SnapshotsTable;
};

export type SnapshotRow = SnapshotsTable;

function tables(session: Sql) {
  return session.withTables<ServingTables>();
}

export async function findEndpoint(
  session: Sql,
  organisationId: string,
  environment: Environment,
  name: string,
) {
  return tables(session)
    .selectFrom("serving.endpoints as e")
    .innerJoin("serving.deployments as d", "d.id", "e.deployment_id")
    .where("e.organisation_id", "=", organisationId)
    .where("e.environment", "=", environment)
    .where("e.name", "=", name)
    .select(["e.id", "e.use_case_id", "d.route"])
    .executeTakeFirst();
}

export interface NewDeployment {
  readonly endpointId: string;
  readonly isNewEndpoint: boolean;
  readonly route: Route;
  readonly by: string;
  readonly at: number;
}

export async function saveDeployment(session: Sql, deployment: NewDeployment): Promise<void> {
  const { route, endpointId, by, at } = deployment;
  if (deployment.isNewEndpoint) {
    await tables(session)
      .insertInto("serving.endpoints")
      .values({
        id: endpointId,
        organisation_id: route.organisationId,
        name: route.endpoint,
        environment: route.environment,
        business_unit_id: route.businessUnitId,
        team_id: route.teamId,
        use_case_id: route.useCaseId,
        deployment_id: route.deploymentId,
        created_at: at,
        created_by: by,
      })
      .execute();
  } else {
    await tables(session)
      .updateTable("serving.endpoints")
      .set({ deployment_id: route.deploymentId })
      .where("id", "=", endpointId)
      .execute();
  }
  await tables(session)
    .insertInto("serving.deployments")
    .values({
      id: route.deploymentId,
      endpoint_id: endpointId,
      organisation_id: route.organisationId,
      route: json<Route>(route),
      deployed_at: at,
      deployed_by: by,
      snapshot_version: null,
    })
    .execute();
}

export async function listEndpoints(session: Sql, organisationId: string): Promise<Endpoint[]> {
  const rows = await tables(session)
    .selectFrom("serving.endpoints as e")
    .innerJoin("serving.deployments as d", "d.id", "e.deployment_id")
    .where("e.organisation_id", "=", organisationId)
    .select(["e.id", "e.name", "e.environment", "e.use_case_id", "d.id as deployment_id"])
    .select(["d.deployed_at", "d.deployed_by", "d.snapshot_version", "d.route"])
    .orderBy("e.name")
    .orderBy("e.environment")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    environment: row.environment,
    useCaseId: row.use_case_id,
    deploymentId: row.deployment_id,
    deployedAt: asEpochMicros(row.deployed_at),
    deployedBy: row.deployed_by,
    snapshotVersion: row.snapshot_version,
    route: row.route,
  }));
}

export async function latestSnapshot(session: Sql, organisationId: string): Promise<SnapshotRow | undefined> {
  return tables(session)
    .selectFrom("serving.snapshots")
    .where("organisation_id", "=", organisationId)
    .selectAll()
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** False when another publisher took that version: the caller reads again and decides anew. */
export async function saveSnapshot(session: Sql, row: SnapshotRow): Promise<boolean> {
  const saved = await tables(session)
    .insertInto("serving.snapshots")
    .values({
      ...row,
      signed: json<SignedSnapshot>(row.signed),
      manifest: json<SnapshotManifest>(row.manifest),
      fetchable: json<readonly string[]>(row.fetchable),
    })
    .onConflict((conflict) => conflict.columns(["organisation_id", "version"]).doNothing())
    .returning("version")
    .execute();
  if (saved.length === 0) return false;
  await tables(session)
    .updateTable("serving.deployments")
    .set({ snapshot_version: row.version })
    .where("organisation_id", "=", row.organisation_id)
    .where("snapshot_version", "is", null)
    .where("deployed_at", "<=", row.created_at)
    .execute();
  return true;
}

function json<T>(value: unknown) {
  return sql<T>`${JSON.stringify(value)}::jsonb`;
}
