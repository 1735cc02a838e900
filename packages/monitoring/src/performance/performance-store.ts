import type { Environment, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

type LabelView = {
  organisation_id: string;
  prediction_id: string;
  use_case_id: string | null;
  endpoint: string;
  environment: Environment;
  model_name: string | null;
  model_version: string | null;
  variant: string;
  received_at: number;
  revision: number;
  retracted: boolean;
  outcome: unknown;
  observed_at: number;
  reported_at: number;
  outputs: string | null;
};
type AnsweredView = {
  organisation_id: string;
  use_case_id: string;
  endpoint: string;
  environment: Environment;
  model_name: string;
  model_version: string;
  variant: string;
  hour: number;
  predictions: number;
};

/** What `predictions` shows of its own. */
const views = (sql: Sql) =>
  sql.withTables<{ "predictions.labels_v1": LabelView; "predictions.answered_v1": AnsweredView }>();

/** Whose predictions they are: what is asked about each, may be read or not. */
export interface LabelledPlace {
  readonly environment: Environment;
  /** Null for labels from before it was kept. */
  readonly useCaseId: string | null;
}

export interface LabelFilter {
  readonly organisationId: string;
  readonly endpoint: string;
  /** Arrival of predictions, epoch microseconds; the end is exclusive. */
  readonly from: number;
  readonly to: number;
  /** Labels that were reported until then. */
  readonly asOf: number;
}

/** Where an endpoint of this name answered or has labels within the stretch. */
export async function listLabelledPlaces(
  sql: Sql,
  { organisationId, endpoint, from, to }: LabelFilter,
  environments: readonly Environment[],
): Promise<LabelledPlace[]> {
  if (environments.length === 0) return [];
  const answered = views(sql)
    .selectFrom("predictions.answered_v1")
    .select(["environment", raw<string | null>`use_case_id`.as("use_case_id")])
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .where("environment", "in", environments)
    .where("hour", ">=", from)
    .where("hour", "<", to);
  const labelled = views(sql)
    .selectFrom("predictions.labels_v1")
    .select(["environment", "use_case_id"])
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .where("environment", "in", environments)
    .where("received_at", ">=", from)
    .where("received_at", "<", to);
  const rows = await answered.union(labelled).execute();
  return rows.map(({ environment, use_case_id: useCaseId }) => ({ environment, useCaseId }));
}

/** What tells series of performance apart. */
export interface PerformanceKey extends LabelledPlace {
  readonly variant: string;
  readonly model: string;
  readonly version: string;
}

export interface StoredLabel extends PerformanceKey {
  readonly predictionId: string;
  readonly receivedAt: number;
  readonly outcome: unknown;
  readonly outputs: string | null;
}

/** How much one answer reads: answers of lists are larger than others by far. */
export interface MostLabels {
  readonly labels: number;
  /** Of answers and outcomes together, about. */
  readonly bytes: number;
}

/**
 * The label of each prediction that counts as of the filter's instant, of the newest predictions first; none that is retracted.
 * @returns `isCut`: there are more than is read, and the last label is the first of these
 */
export async function listLabels(
  sql: Sql,
  filter: LabelFilter,
  places: readonly LabelledPlace[],
  most: MostLabels,
): Promise<{ readonly labels: StoredLabel[]; readonly isCut: boolean }> {
  if (places.length === 0) return { labels: [], isCut: false };
  const weighed = sql
    .selectFrom(latestLabels(sql, filter, places).as("latest"))
    .selectAll()
    .select(
      raw<number>`(sum(${bytesOfLabel}) over (order by received_at desc, prediction_id))::double precision`.as(
        "bytes",
      ),
    )
    .where("retracted", "=", false);
  const rows = await sql
    .selectFrom(weighed.as("weighed"))
    .selectAll()
    .where(raw<boolean>`bytes - (${bytesOfLabel}) <= ${most.bytes}`)
    .orderBy("received_at", "desc")
    .orderBy("prediction_id")
    .limit(most.labels + 1)
    .execute();
  const labels = rows.map((row) => ({
    ...keyOfRow(row),
    predictionId: row.prediction_id,
    receivedAt: row.received_at,
    outcome: row.outcome,
    outputs: row.outputs,
  }));
  return { labels, isCut: rows.length > most.labels || (rows.at(-1)?.bytes ?? 0) > most.bytes };
}

const bytesOfLabel = raw`coalesce(octet_length(outputs), 0) + coalesce(pg_column_size(outcome), 0)`;

/** How many labels `listLabels` would give without a limit, by series. */
export async function countLabels(
  sql: Sql,
  filter: LabelFilter,
  places: readonly LabelledPlace[],
): Promise<(PerformanceKey & { readonly labels: number })[]> {
  if (places.length === 0) return [];
  const columns = ["environment", "use_case_id", "variant", "model_name", "model_version"] as const;
  const rows = await sql
    .selectFrom(latestLabels(sql, filter, places).as("latest"))
    .select(columns)
    .select(({ fn }) => fn.countAll<number>().as("labels"))
    .where("retracted", "=", false)
    .groupBy(columns)
    .execute();
  return rows.map((row) => ({ ...keyOfRow(row), labels: Number(row.labels) }));
}

function keyOfRow(
  row: Pick<LabelView, "environment" | "use_case_id" | "variant" | "model_name" | "model_version">,
): PerformanceKey {
  return {
    environment: row.environment,
    useCaseId: row.use_case_id,
    variant: row.variant,
    model: row.model_name ?? "",
    version: row.model_version ?? "",
  };
}

function latestLabels(sql: Sql, filter: LabelFilter, places: readonly LabelledPlace[]) {
  return views(sql)
    .selectFrom("predictions.labels_v1")
    .distinctOn("prediction_id")
    .selectAll()
    .where("organisation_id", "=", filter.organisationId)
    .where("endpoint", "=", filter.endpoint)
    .where("received_at", ">=", filter.from)
    .where("received_at", "<", filter.to)
    .where("reported_at", "<=", filter.asOf)
    .where((eb) =>
      eb.or(
        places.map(({ environment, useCaseId }) =>
          eb.and([
            eb("environment", "=", environment),
            useCaseId === null ? eb("use_case_id", "is", null) : eb("use_case_id", "=", useCaseId),
          ]),
        ),
      ),
    )
    .orderBy("prediction_id")
    .orderBy("revision", "desc");
}

export interface StoredHour extends PerformanceKey {
  readonly hour: number;
  readonly predictions: number;
}

/** Answered predictions by hour of arrival. */
export async function listAnswered(
  sql: Sql,
  { organisationId, endpoint, from, to }: LabelFilter,
  places: readonly LabelledPlace[],
): Promise<StoredHour[]> {
  const named = places.filter(({ useCaseId }) => useCaseId !== null);
  if (named.length === 0) return [];
  const rows = await views(sql)
    .selectFrom("predictions.answered_v1")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("endpoint", "=", endpoint)
    .where("hour", ">=", from)
    .where("hour", "<", to)
    .where((eb) =>
      eb.or(
        named.map(({ environment, useCaseId }) =>
          eb.and([eb("environment", "=", environment), eb("use_case_id", "=", useCaseId ?? "")]),
        ),
      ),
    )
    .execute();
  return rows.map((row) => ({
    environment: row.environment,
    useCaseId: row.use_case_id,
    variant: row.variant,
    model: row.model_name,
    version: row.model_version,
    hour: row.hour,
    predictions: row.predictions,
  }));
}
