import { asEpochMicros, type Environment, type Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { DisplacementRow, DisplacementsTable } from "./displacements/displacement-store.ts";
import type { DeployRequest, Endpoint } from "./endpoint.ts";
import type { HaltRow, HaltsTable } from "./halts/halt-store.ts";
import type { ServedMark } from "./served-routes.ts";
import type { Fetchable, PlacedRoute } from "./snapshot/placed-parts.ts";
import type { Route, ServedVersion, SignedSnapshot, SnapshotManifest } from "./snapshot/schema.ts";
import type { SunsetRow, SunsetsTable } from "./sunsets/sunset-store.ts";

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
  readonly served: ServedMark | null;
};

type DeploymentsTable = {
  readonly id: string;
  readonly endpoint_id: string;
  readonly organisation_id: string;
  readonly route: Route;
  readonly request: DeployRequest;
  readonly previous_id: string | null;
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
  readonly fetchable: readonly Fetchable[];
  readonly placed: readonly PlacedRoute[];
  readonly created_at: number;
};

type ServingTables = {
  "serving.endpoints": EndpointsTable;
  "serving.halts": HaltsTable;
  "serving.displacements": DisplacementsTable;
  "serving.sunsets": SunsetsTable;
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
    .select(["e.id", "e.use_case_id", "d.route", "d.id as deployment_id", "d.previous_id"])
    .executeTakeFirst();
}

export type ExistingEndpoint = NonNullable<Awaited<ReturnType<typeof findEndpoint>>>;

export async function findDeployedModel(session: Sql, id: string): Promise<ServedVersion | undefined> {
  const row = await tables(session)
    .selectFrom("serving.deployments")
    .where("id", "=", id)
    .select(["route", "request"])
    .executeTakeFirst();
  return row && { model: row.route.model, features: row.request.features ?? null };
}

/** A deployment as it was made. */
export async function findDeployment(
  session: Sql,
  organisationId: string,
  id: string,
): Promise<Route | undefined> {
  const row = await tables(session)
    .selectFrom("serving.deployments")
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .select("route")
    .executeTakeFirst();
  return row?.route;
}

/** A deployment of the past or of today, as it was made. */
export interface MadeDeployment {
  readonly id: string;
  readonly route: Route;
  readonly deployedBy: string;
  readonly deployedAt: number;
}

const mostNaming = 200;

/** Deployments whose route names a version, oldest first; of many the newest. */
export async function deploymentsNaming(
  session: Sql,
  organisationId: string,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<MadeDeployment[]> {
  const holds = (part: object) => sql<boolean>`route @> ${JSON.stringify(part)}::jsonb`;
  const model = { name, version };
  const rows = await tables(session)
    .selectFrom("serving.deployments")
    .where("organisation_id", "=", organisationId)
    .where((where) =>
      where.or([holds({ model }), holds({ secondary: { model } }), holds({ variants: [{ model }] })]),
    )
    .select(["id", "route", "deployed_by", "deployed_at"])
    .orderBy("deployed_at", "desc")
    .orderBy("id", "desc")
    .limit(mostNaming)
    .execute();
  return rows
    .map(({ id, route, deployed_by: deployedBy, deployed_at: deployedAt }) => ({
      id,
      route,
      deployedBy,
      deployedAt,
    }))
    .toReversed();
}

export interface NewDeployment {
  readonly endpointId: string;
  readonly isNewEndpoint: boolean;
  readonly route: Route;
  readonly request: DeployRequest;
  readonly previousId: string | null;
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
        served: null,
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
      request: json<DeployRequest>(deployment.request),
      previous_id: deployment.previousId,
      deployed_at: at,
      deployed_by: by,
      snapshot_version: null,
    })
    .execute();
}

/** A version of an endpoint whose end is announced. */
export interface RetiringRow extends Pick<SunsetRow, "reason" | "successor" | "announced_at" | "ends_at"> {
  readonly model: string;
  readonly version: number;
}

/** An endpoint with the deployment in force, before any charter of today is asked. */
export interface Deployed extends Omit<Endpoint, "id" | "stopped" | "compute"> {
  readonly endpointId: string;
  readonly request: DeployRequest;
  readonly previous: ServedVersion | null;
  /** Set while somebody keeps it from serving. */
  readonly halt: Pick<HaltRow, "reason" | "halted_at" | "halted_by"> | null;
  /** Set while the fallback chain answers in the place of the version that the deployment names. */
  readonly displacement: Pick<DisplacementRow, "reason" | "began_at" | "alert_id"> | null;
  /** Set while its end is announced. */
  readonly sunset: Pick<SunsetRow, "reason" | "successor" | "announced_at" | "ends_at"> | null;
  /** Versions whose end is announced, whether the endpoint still has them or not. */
  readonly retiring: readonly RetiringRow[];
  readonly served: ServedMark | null;
}

export async function listDeployed(session: Sql, organisationId: string): Promise<Deployed[]> {
  const rows = await deployments(session, organisationId)
    .orderBy("e.name")
    .orderBy("e.environment")
    .execute();
  return rows.map(toDeployed);
}

/** One endpoint with its deployment in force. */
export async function findDeployed(
  session: Sql,
  organisationId: string,
  environment: Environment,
  name: string,
): Promise<Deployed | undefined> {
  const row = await deployments(session, organisationId)
    .where("e.environment", "=", environment)
    .where("e.name", "=", name)
    .executeTakeFirst();
  return row && toDeployed(row);
}

function deployments(session: Sql, organisationId: string) {
  return tables(session)
    .selectFrom("serving.endpoints as e")
    .innerJoin("serving.deployments as d", "d.id", "e.deployment_id")
    .leftJoin("serving.deployments as p", "p.id", "d.previous_id")
    .leftJoin("serving.halts as h", (join) =>
      join.onRef("h.endpoint_id", "=", "e.id").on("h.resumed_at", "is", null),
    )
    .leftJoin("serving.displacements as x", (join) =>
      join
        .onRef("x.endpoint_id", "=", "e.id")
        .on("x.ended_at", "is", null)
        .on(sql`d.route #>> '{model,name}'`, "=", sql.ref("x.model"))
        .on(sql`(d.route #>> '{model,version}')::integer`, "=", sql.ref("x.version")),
    )
    .where("e.organisation_id", "=", organisationId)
    .select(["e.id", "e.name", "e.environment", "e.use_case_id", "e.served", "d.id as deployment_id"])
    .select(["d.deployed_at", "d.deployed_by", "d.snapshot_version", "d.route", "d.request"])
    .select(["p.route as previous_route", "p.request as previous_request"])
    .leftJoin("serving.sunsets as s", (join) =>
      join.onRef("s.endpoint_id", "=", "e.id").on("s.withdrawn_at", "is", null).on("s.version", "is", null),
    )
    .select(["h.reason", "h.halted_at", "h.halted_by"])
    .select(["x.reason as displaced_because", "x.began_at as displaced_at", "x.alert_id as displaced_for"])
    .select(["s.reason as sunset_reason", "s.successor", "s.announced_at", "s.ends_at"])
    .select(
      sql<
        readonly RetiringRow[] | null
      >`(select jsonb_agg(jsonb_build_object('model', v.model, 'version', v.version, 'reason', v.reason,
        'successor', v.successor, 'announced_at', v.announced_at, 'ends_at', v.ends_at) order by v.version)
        from serving.sunsets v where v.endpoint_id = e.id and v.withdrawn_at is null and v.version is not null)`.as(
        "retiring",
      ),
    );
}

type DeployedRow = Awaited<ReturnType<ReturnType<typeof deployments>["execute"]>>[number];

function toDeployed(row: DeployedRow): Deployed {
  return {
    endpointId: row.id,
    name: row.name,
    environment: row.environment,
    useCaseId: row.use_case_id,
    deploymentId: row.deployment_id,
    deployedAt: asEpochMicros(row.deployed_at),
    deployedBy: row.deployed_by,
    snapshotVersion: row.snapshot_version,
    route: row.route,
    request: row.request,
    previous: row.previous_route && {
      model: row.previous_route.model,
      features: row.previous_request?.features ?? null,
    },
    halt:
      row.reason === null || row.halted_at === null || row.halted_by === null
        ? null
        : { reason: row.reason, halted_at: row.halted_at, halted_by: row.halted_by },
    displacement:
      row.displaced_because === null || row.displaced_at === null || row.displaced_for === null
        ? null
        : { reason: row.displaced_because, began_at: row.displaced_at, alert_id: row.displaced_for },
    sunset:
      row.sunset_reason === null || row.announced_at === null || row.ends_at === null
        ? null
        : {
            reason: row.sunset_reason,
            successor: row.successor,
            announced_at: row.announced_at,
            ends_at: row.ends_at,
          },
    retiring: row.retiring ?? [],
    served: row.served,
  };
}

/** Notes what a saved snapshot made of an endpoint, in that snapshot's transaction. */
export async function markServed(session: Sql, endpointId: string, mark: ServedMark): Promise<void> {
  await tables(session)
    .updateTable("serving.endpoints")
    .set({ served: json<ServedMark>(mark) })
    .where("id", "=", endpointId)
    .execute();
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

/**
 * @param carried deployments whose routes it has: neither those that were made while it was, nor those in whose place an older route goes on
 * @returns false when another publisher took that version: the caller reads again and decides anew
 */
export async function saveSnapshot(
  session: Sql,
  row: SnapshotRow,
  carried: readonly string[],
): Promise<boolean> {
  const saved = await tables(session)
    .insertInto("serving.snapshots")
    .values({
      ...row,
      signed: json<SignedSnapshot>(row.signed),
      manifest: json<SnapshotManifest>(row.manifest),
      fetchable: json<readonly Fetchable[]>(row.fetchable),
      placed: json<readonly PlacedRoute[]>(row.placed),
    })
    .onConflict((conflict) => conflict.columns(["organisation_id", "version"]).doNothing())
    .returning("version")
    .execute();
  if (saved.length === 0) return false;
  if (carried.length === 0) return true;
  await tables(session)
    .updateTable("serving.deployments")
    .set({ snapshot_version: row.version })
    .where("organisation_id", "=", row.organisation_id)
    .where("snapshot_version", "is", null)
    .where("id", "in", carried)
    .execute();
  return true;
}

function json<T>(value: unknown) {
  return sql<T>`${JSON.stringify(value)}::jsonb`;
}
