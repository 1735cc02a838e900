import type { Environment, Sql } from "@portolan/kernel";
import type { FeaturePlan, Route } from "./snapshot/schema.ts";

export interface Filling {
  /** As records of predictions name the value: `view.feature`, or a column of the request. */
  readonly name: string;
  readonly input: string;
  readonly index: number | null;
}

/** Deployments that are looked at, newest first. */
const mostDeployments = 200;

type Tables = {
  "serving.endpoints": {
    readonly id: string;
    readonly organisation_id: string;
    readonly environment: Environment;
    readonly name: string;
  };
  "serving.deployments": {
    readonly endpoint_id: string;
    readonly route: Route;
    readonly snapshot_version: number | null;
  };
};

/** What filled the inputs of a model behind an endpoint, in the order of the record: by its deployments up to a snapshot, newest first. */
export async function findFillings(
  session: Sql,
  organisationId: string,
  {
    environment,
    endpoint,
    artifact,
    snapshotVersion,
  }: {
    readonly environment: Environment;
    readonly endpoint: string;
    readonly artifact: string;
    /** That the prediction was made under: what was deployed later filled nothing of it. */
    readonly snapshotVersion: number;
  },
): Promise<Filling[][]> {
  const rows = await session
    .withTables<Tables>()
    .selectFrom("serving.deployments as d")
    .innerJoin("serving.endpoints as e", "e.id", "d.endpoint_id")
    .where("e.organisation_id", "=", organisationId)
    .where("e.environment", "=", environment)
    .where("e.name", "=", endpoint)
    .where("d.snapshot_version", "<=", snapshotVersion)
    .select("d.route")
    .orderBy("d.snapshot_version", "desc")
    .limit(mostDeployments)
    .execute();
  return rows.flatMap(({ route }) => {
    const versions = [route, ...route.variants, ...(route.secondary ? [route.secondary] : [])];
    return versions.flatMap(({ model, features }) =>
      model.digest === artifact && features ? [fillingsOf(features)] : [],
    );
  });
}

function fillingsOf({ columns }: FeaturePlan): Filling[] {
  return columns.map(({ input, index, from }) => ({
    name: from.kind === "feature" ? `${from.view}.${from.feature}` : from.name,
    input,
    index,
  }));
}
