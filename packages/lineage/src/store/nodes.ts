import { type Environment, placeOf, type Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { Audience } from "../audience.ts";

/** A dataset or a job, as OpenLineage names it. */
export interface NodeName {
  readonly namespace: string;
  readonly name: string;
}

export function nodeKey({ namespace, name }: NodeName): string {
  return JSON.stringify([namespace, name]);
}

/** Ids by `nodeKey`; those that are new are added. */
export async function takeNodes(
  sql: Sql,
  table: "datasets" | "jobs",
  organisationId: string,
  names: readonly NodeName[],
): Promise<Map<string, number>> {
  // In one order, so that two transactions do not wait for each other.
  const unique = [...new Map(names.map((one) => [nodeKey(one), one])).entries()].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  if (unique.length === 0) return new Map();
  const namespaces = unique.map(([, one]) => one.namespace);
  const nameList = unique.map(([, one]) => one.name);
  const into = raw.table(`lineage.${table}`);
  await raw`insert into ${into} (organisation_id, namespace, name)
    select ${organisationId}, n.namespace, n.name from unnest(${namespaces}::text[], ${nameList}::text[]) as n(namespace, name)
    on conflict do nothing`.execute(sql);
  const { rows } = await raw<{ id: number; namespace: string; name: string }>`
    select d.id, d.namespace, d.name from ${into} as d
    join unnest(${namespaces}::text[], ${nameList}::text[]) as n(namespace, name) on d.namespace = n.namespace and d.name = n.name
    where d.organisation_id = ${organisationId}`.execute(sql);
  return new Map(rows.map((row) => [nodeKey(row), row.id]));
}

export async function takeAudience(sql: Sql, organisationId: string, of: Audience): Promise<number> {
  const { action, resource, environment = null, teamId = null, useCaseId = null } = of;
  const find = () =>
    raw<{
      id: number;
    }>`select id from lineage.audiences where organisation_id = ${organisationId} and action = ${action}
      and resource = ${resource} and environment is not distinct from ${environment}
      and team_id is not distinct from ${teamId} and use_case_id is not distinct from ${useCaseId}`.execute(
      sql,
    );
  const known = (await find()).rows[0];
  if (known) return known.id;
  await raw`insert into lineage.audiences (organisation_id, action, resource, environment, team_id, use_case_id)
    values (${organisationId}, ${action}, ${resource}, ${environment}, ${teamId}, ${useCaseId}) on conflict do nothing`.execute(
    sql,
  );
  const added = (await find()).rows[0];
  if (!added) throw new Error("an audience that was just added is not there");
  return added.id;
}

/** All audiences of an organisation: as many as it has kinds of things in places. */
export async function listAudiences(
  sql: Sql,
  organisationId: string,
): Promise<readonly (Audience & { readonly id: number })[]> {
  const { rows } = await raw<{
    id: number;
    action: string;
    resource: string;
    environment: Environment | null;
    team_id: string | null;
    use_case_id: string | null;
  }>`select id, action, resource, environment, team_id, use_case_id from lineage.audiences
    where organisation_id = ${organisationId} order by id`.execute(sql);
  return rows.map(({ id, action, resource, environment, ...place }) => ({
    id,
    action,
    resource,
    ...(environment === null ? {} : { environment }),
    ...placeOf(place),
  }));
}

export async function addMentions(
  sql: Sql,
  audienceId: number,
  datasetIds: readonly number[],
): Promise<void> {
  if (datasetIds.length === 0) return;
  await raw`insert into lineage.mentions (dataset_id, audience_id)
    select d, ${audienceId} from unnest(${[...new Set(datasetIds)]}::bigint[]) as d on conflict do nothing`.execute(
    sql,
  );
}
