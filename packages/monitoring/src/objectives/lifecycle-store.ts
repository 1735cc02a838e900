import { type Environment, environments, type Sql } from "@portolan/kernel";
import { type RawBuilder, sql } from "kysely";
import type { LifecycleCounts } from "./lifecycle.ts";

/** Which events are counted; without a place those of every endpoint of every organisation, for operators' metrics. */
export interface LifecycleFilter {
  readonly place?: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly endpoint: string;
  };
  /** Epoch microseconds: events from then on, until before `to`. */
  readonly from: number;
  readonly to: number;
  /** How long a good one takes at most. */
  readonly withinMicros: number;
}

/** Events of one endpoint. */
export interface EndpointEvents extends LifecycleCounts {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
}

/** Drift alerts that say how long after the first differing window they opened. */
export async function detectedWithin(
  session: Sql,
  { place, from, to, withinMicros }: LifecycleFilter,
): Promise<EndpointEvents[]> {
  const seconds = sql`(evidence ->> 'detectedAfterSeconds')::float8`;
  const { rows } = await sql<EventRow>`select organisation_id, environment, endpoint, count(*) as total,
      count(*) filter (where ${seconds} <= ${withinMicros / 1_000_000}) as good
    from monitoring.alerts where kind = 'drift' and evidence ->> 'detectedAfterSeconds' is not null
      and opened_at >= ${from} and opened_at < ${to} ${at(place)} group by 1, 2, 3`.execute(session);
  return eventsIn(rows);
}

/** Predictions of that time, and those of them that have a label that is not retracted; shadows' aside. */
export async function labelledWithin(
  session: Sql,
  { place, from, to }: LifecycleFilter,
): Promise<EndpointEvents[]> {
  const { rows } = await sql<EventRow>`
    with due as (
      select organisation_id, environment, endpoint, sum(predictions) as predictions from predictions.answered_v1
      where hour >= ${from} and hour < ${to} and variant <> 'shadow' ${at(place)} group by 1, 2, 3),
    latest as (
      select distinct on (organisation_id, prediction_id) organisation_id, environment, endpoint, retracted from predictions.labels_v1
      where received_at >= ${from} and received_at < ${to} and variant <> 'shadow' ${at(place)}
      order by organisation_id, prediction_id, revision desc),
    labelled as (
      select organisation_id, environment, endpoint, count(*) as labels from latest where not retracted group by 1, 2, 3)
    select organisation_id, environment, endpoint, predictions as total, least(predictions, coalesce(labels, 0)) as good
    from due left join labelled using (organisation_id, environment, endpoint)`.execute(session);
  return eventsIn(rows);
}

interface EventRow {
  readonly organisation_id: string;
  readonly environment: string;
  readonly endpoint: string;
  readonly total: string | number;
  readonly good: string | number;
}

function at(place: LifecycleFilter["place"]): RawBuilder<unknown> {
  return place
    ? sql`and organisation_id = ${place.organisationId} and environment = ${place.environment} and endpoint = ${place.endpoint}`
    : sql``;
}

function eventsIn(rows: readonly EventRow[]): EndpointEvents[] {
  return rows.flatMap(({ organisation_id: organisationId, environment, endpoint, total, good }) => {
    const known = environments.find((one) => one === environment);
    const counts = { total: Number(total), good: Number(good) };
    return known ? [{ organisationId, environment: known, endpoint, ...counts }] : [];
  });
}
