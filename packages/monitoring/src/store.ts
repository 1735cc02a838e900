import type { Environment, Sql } from "@portolan/kernel";
import { sql as raw, type Selectable } from "kysely";
import type { DriftDelivery, DriftPart } from "./contract.ts";

type ProfileTable = {
  organisation_id: string;
  version_id: string;
  model: string;
  version: number;
  digest: string;
  size_bytes: number;
  bundle: string;
  signing_key_id: string;
  signed_at: number;
  cells: number;
  training_set_id: string;
  created_by: string;
  created_at: number;
};

type WriterTable = {
  organisation_id: string;
  writer: string;
  epoch: number;
  environment: string;
  principal: string;
  last_sequence: number;
};

type WindowTable = {
  organisation_id: string;
  environment: string;
  use_case_id: string;
  endpoint_id: string;
  endpoint: string;
  variant: string;
  model: string;
  version: number;
  profile: string;
  window_start: number;
  one_in: number;
  rows: number;
  counts: number[];
};

type MonitoringTables = {
  "monitoring.reference_profiles": ProfileTable;
  "monitoring.drift_writers": WriterTable;
  "monitoring.drift_windows": WindowTable;
  "features.training_sets_v1": {
    id: string;
    organisation_id: string;
    environment: Environment;
    use_case_id: string | null;
    object: string;
    features: string[];
  };
};

/** What this package stores and reads. */
export const tables = (sql: Sql) => sql.withTables<MonitoringTables>();

export type ProfileRow = Selectable<ProfileTable>;

/** Makes this the newest profile of its version, also when it was that before another one. */
export async function insertProfile(sql: Sql, row: ProfileTable): Promise<void> {
  const { bundle, signing_key_id, signed_at, training_set_id, created_by, created_at } = row;
  await tables(sql)
    .insertInto("monitoring.reference_profiles")
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(["organisation_id", "version_id", "digest"])
        .doUpdateSet({ bundle, signing_key_id, signed_at, training_set_id, created_by, created_at }),
    )
    .execute();
}

/** The newest profile of a version. */
export async function findProfile(
  sql: Sql,
  organisationId: string,
  model: string,
  version: number,
): Promise<ProfileRow | undefined> {
  return tables(sql)
    .selectFrom("monitoring.reference_profiles")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("model", "=", model)
    .where("version", "=", version)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
}

/** The newest profile of each of these versions; those without one are left out. */
export async function findProfiles(
  sql: Sql,
  organisationId: string,
  versions: readonly { readonly name: string; readonly version: number }[],
): Promise<ProfileRow[]> {
  if (versions.length === 0) return [];
  const rows = await tables(sql)
    .selectFrom("monitoring.reference_profiles")
    .selectAll()
    .distinctOn(["model", "version"])
    .where("organisation_id", "=", organisationId)
    .where("model", "in", [...new Set(versions.map(({ name }) => name))])
    .orderBy("model")
    .orderBy("version")
    .orderBy("created_at", "desc")
    .execute();
  const asked = new Set(versions.map(({ name, version }) => `${name}/${version}`));
  return rows.filter(({ model, version }) => asked.has(`${model}/${version}`));
}

/** Cells by digest, of those profiles that the organisation has. */
export async function cellsOf(
  sql: Sql,
  organisationId: string,
  digests: readonly string[],
): Promise<Map<string, number>> {
  const rows = await tables(sql)
    .selectFrom("monitoring.reference_profiles")
    .select(["digest", "cells"])
    .where("organisation_id", "=", organisationId)
    .where("digest", "in", digests)
    .execute();
  return new Map(rows.map(({ digest, cells }) => [digest, cells]));
}

/** `taken`: the writer's numbers belong to somebody else. */
export type Turn = "new" | "duplicate" | "taken";

/** Moves the writer on in an environment, unless this delivery was added there before. The writer is locked to the end of the transaction. */
export async function takeSequence(
  sql: Sql,
  owner: { readonly organisationId: string; readonly principal: string; readonly environment: string },
  { writer, epoch, sequence }: DriftDelivery,
): Promise<Turn> {
  const { organisationId, principal, environment } = owner;
  await tables(sql)
    .insertInto("monitoring.drift_writers")
    .values({ organisation_id: organisationId, writer, epoch, environment, principal, last_sequence: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const others = await tables(sql)
    .selectFrom("monitoring.drift_writers")
    .select("principal")
    .where("organisation_id", "=", organisationId)
    .where("writer", "=", writer)
    .where("epoch", "=", epoch)
    .where("principal", "!=", principal)
    .executeTakeFirst();
  if (others) return "taken";
  const moved = await tables(sql)
    .updateTable("monitoring.drift_writers")
    .set({ last_sequence: sequence })
    .where("organisation_id", "=", organisationId)
    .where("writer", "=", writer)
    .where("epoch", "=", epoch)
    .where("environment", "=", environment)
    .where("last_sequence", "<", sequence)
    .returning("writer")
    .executeTakeFirst();
  return moved ? "new" : "duplicate";
}

/** Adds a part to its window, cell by cell. */
export async function addPart(sql: Sql, organisationId: string, part: DriftPart): Promise<void> {
  await tables(sql)
    .insertInto("monitoring.drift_windows")
    .values({
      organisation_id: organisationId,
      environment: part.environment,
      use_case_id: part.useCaseId,
      endpoint_id: part.endpointId,
      endpoint: part.endpoint,
      variant: part.variant,
      model: part.model,
      version: part.version,
      profile: part.profile,
      window_start: part.windowStart,
      one_in: part.oneIn,
      rows: part.rows,
      counts: raw<number[]>`${`{${part.counts.join(",")}}`}::bigint[]`,
    })
    .onConflict((conflict) =>
      conflict
        .columns([
          "organisation_id",
          "environment",
          "endpoint_id",
          "variant",
          "model",
          "version",
          "profile",
          "window_start",
          "one_in",
        ])
        .doUpdateSet({
          rows: raw<number>`monitoring.drift_windows.rows + excluded.rows`,
          counts: raw<
            number[]
          >`array(select a + b from unnest(monitoring.drift_windows.counts, excluded.counts) with ordinality as cell (a, b, at) order by at)`,
        }),
    )
    .execute();
}

export interface ReferenceSet {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly object: string;
  readonly features: readonly string[];
}

export async function findReferenceSet(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<ReferenceSet | undefined> {
  const row = await tables(sql)
    .selectFrom("features.training_sets_v1")
    .select(["id", "environment", "use_case_id", "object", "features"])
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  if (!row) return undefined;
  const { use_case_id: useCaseId, ...set } = row;
  return { ...set, ...(useCaseId === null ? {} : { useCaseId }) };
}
