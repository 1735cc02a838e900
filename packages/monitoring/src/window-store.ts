import type { Environment, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { DriftPart } from "./contract.ts";
import { tables } from "./store.ts";

/** Whose predictions an endpoint's counts are: what is asked about each, may be seen or not. */
export interface CountedPlace {
  readonly environment: Environment;
  readonly useCaseId: string;
}

export interface WindowFilter {
  readonly organisationId: string;
  readonly endpoint: string;
  /** Starts of windows, epoch microseconds, both inclusive. */
  readonly from?: number;
  readonly to?: number;
}

/** What counts of one window are added up by. */
export type CountedSeries = Pick<
  DriftPart,
  "environment" | "useCaseId" | "endpointId" | "variant" | "model" | "version" | "profile"
>;

/** A window without its counts. */
export interface StoredWindow extends CountedSeries {
  readonly windowStart: number;
  readonly oneIn: number;
  readonly rows: number;
  /** How many counts it has. */
  readonly cells: number;
}

/** Where an endpoint of this name was counted within a stretch of time, in these environments. */
export async function listPlaces(
  sql: Sql,
  filter: WindowFilter,
  environments: readonly Environment[],
): Promise<CountedPlace[]> {
  if (environments.length === 0) return [];
  const rows = await windows(sql, filter)
    .select(["environment", "use_case_id"])
    .distinct()
    .where("environment", "in", environments)
    .execute();
  return rows.map(({ environment, use_case_id: useCaseId }) => ({
    environment: environment as Environment,
    useCaseId,
  }));
}

/** A series with its organisation, and where it was counted last. */
export interface NewestSeries extends CountedSeries {
  readonly organisationId: string;
  readonly endpoint: string;
  readonly newest: number;
}

/** The newest series of each variant of an endpoint, over all organisations: those counted since then, the newest first, in an order that is always the same. */
export async function newestSeries(sql: Sql, since: number, limit: number): Promise<NewestSeries[]> {
  const rows = await sql
    .selectFrom(
      tables(sql)
        .selectFrom("monitoring.drift_windows")
        .distinctOn(["organisation_id", "environment", "endpoint_id", "variant"])
        .select(["organisation_id", "environment", "use_case_id", "endpoint_id", "endpoint", "variant"])
        .select(["model", "version", "profile", "window_start"])
        .where("window_start", ">=", since)
        .orderBy("organisation_id")
        .orderBy("environment")
        .orderBy("endpoint_id")
        .orderBy("variant")
        .orderBy("window_start", "desc")
        .orderBy("version", "desc")
        .orderBy("model")
        .orderBy("profile")
        .orderBy("use_case_id")
        .as("newest"),
    )
    .selectAll()
    .orderBy("window_start", "desc")
    // Windows are five minutes: many are counted last in the same one, and the same of them must be in each answer.
    .orderBy("organisation_id")
    .orderBy("environment")
    .orderBy("endpoint_id")
    .orderBy("variant")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    organisationId: row.organisation_id,
    environment: row.environment as Environment,
    useCaseId: row.use_case_id,
    endpointId: row.endpoint_id,
    endpoint: row.endpoint,
    variant: row.variant as DriftPart["variant"],
    model: row.model,
    version: row.version,
    profile: row.profile,
    newest: row.window_start,
  }));
}

/** Newest first, without their counts. */
export async function listWindows(
  sql: Sql,
  filter: WindowFilter,
  places: readonly CountedPlace[],
  limit: number,
): Promise<StoredWindow[]> {
  if (places.length === 0) return [];
  const rows = await windows(sql, filter)
    .where((eb) =>
      eb.or(places.map(({ environment, useCaseId }) => eb.and({ environment, use_case_id: useCaseId }))),
    )
    .select([
      "environment",
      "use_case_id",
      "endpoint_id",
      "variant",
      "model",
      "version",
      "profile",
      "window_start",
      "one_in",
      "rows",
    ])
    .select((eb) =>
      eb
        .selectFrom("monitoring.reference_profiles as of")
        .whereRef("of.organisation_id", "=", "monitoring.drift_windows.organisation_id")
        .whereRef("of.digest", "=", "monitoring.drift_windows.profile")
        .select("of.cells")
        .limit(1)
        .as("cells"),
    )
    .orderBy("window_start", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    environment: row.environment as Environment,
    useCaseId: row.use_case_id,
    endpointId: row.endpoint_id,
    variant: row.variant as DriftPart["variant"],
    model: row.model,
    version: row.version,
    profile: row.profile,
    windowStart: row.window_start,
    oneIn: row.one_in,
    rows: row.rows,
    cells: row.cells ?? 0,
  }));
}

/** Counts of one series over a stretch of time, added up cell by cell where they are stored. */
export async function sumCounts(sql: Sql, filter: WindowFilter, series: CountedSeries): Promise<number[]> {
  const cells = ofSeries(windows(sql, filter), series)
    .innerJoinLateral(
      raw<{
        n: number;
        at: number;
      }>`unnest(monitoring.drift_windows.counts) with ordinality`.as<"cell">(raw`cell (n, at)`),
      (join) => join.onTrue(),
    )
    .select(({ fn }) => ["cell.at", fn.sum<number>("cell.n").as("total")])
    .groupBy("cell.at");
  const row = await sql
    .selectFrom(cells.as("sums"))
    .select(raw<string | null>`string_agg(total::text, ',' order by at)`.as("counts"))
    .executeTakeFirst();
  return row?.counts?.split(",").map(Number) ?? [];
}

function ofSeries(query: ReturnType<typeof windows>, series: CountedSeries) {
  return query
    .where("environment", "=", series.environment)
    .where("use_case_id", "=", series.useCaseId)
    .where("endpoint_id", "=", series.endpointId)
    .where("variant", "=", series.variant)
    .where("model", "=", series.model)
    .where("version", "=", series.version)
    .where("profile", "=", series.profile);
}

function windows(sql: Sql, { organisationId, endpoint, from, to }: WindowFilter) {
  let query = tables(sql)
    .selectFrom("monitoring.drift_windows")
    .where("monitoring.drift_windows.organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint);
  if (from !== undefined) query = query.where("window_start", ">=", from);
  if (to !== undefined) query = query.where("window_start", "<=", to);
  return query;
}

/** Counts of each stored window of a series, newest first. */
export async function windowCounts(
  sql: Sql,
  filter: WindowFilter,
  series: CountedSeries,
): Promise<{ readonly start: number; readonly rows: number; readonly counts: number[] }[]> {
  const rows = await ofSeries(windows(sql, filter), series)
    .select(["window_start", "rows"])
    // Text: the driver would make an object of each number first.
    .select(raw<string>`array_to_string(counts, ',')`.as("counts"))
    .orderBy("window_start", "desc")
    .execute();
  return rows.map(({ window_start: start, rows: counted, counts }) => ({
    start,
    rows: counted,
    counts: counts.split(",").map(Number),
  }));
}
