import type { Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { TimelineFilter } from "../timeline/stage-store.ts";
import { bucketEdgeMicros } from "./indicator.ts";

/** What was asked of an endpoint in a time. */
export interface EndpointLoad {
  readonly requests: number;
  /** Of the minute that kept most models busy: microseconds that runs took, together. A time counts as the middle of its bucket. */
  readonly busiestMinuteMicros: number;
}

export async function endpointLoad(
  session: Sql,
  { organisationId, environment, endpoint, from, to }: TimelineFilter,
): Promise<EndpointLoad> {
  const edges = [0, ...bucketEdgeMicros, bucketEdgeMicros.at(-1) ?? 0];
  const middles = edges.slice(1).map((edge, at) => ((edges[at] ?? 0) + edge) / 2);
  const { rows } = await sql<{ requests: string; busiest: string | null }>`
    select
      (select coalesce(sum(requests), 0) from monitoring.request_counts
        where organisation_id = ${organisationId} and environment = ${environment} and endpoint = ${endpoint}
          and minute >= ${from} and minute < ${to}) as requests,
      (select max(micros) from (
        select sum(cell.amount * edge.middle) as micros from monitoring.stage_counts as c
          cross join lateral unnest(c.counts) with ordinality as cell (amount, at)
          join unnest(${`{${middles.join(",")}}`}::double precision[]) with ordinality as edge (middle, at) on edge.at = cell.at
        where c.organisation_id = ${organisationId} and c.environment = ${environment} and c.endpoint = ${endpoint}
          and c.stage = 'run' and c.minute >= ${from} and c.minute < ${to}
        group by c.minute) as minutes) as busiest`.execute(session);
  const [row] = rows;
  return { requests: Number(row?.requests ?? 0), busiestMinuteMicros: Number(row?.busiest ?? 0) };
}

/** Requests of an organisation's endpoints by hour of the day (UTC), 24 figures. */
export async function requestsByHour(
  session: Sql,
  { organisationId, from, to }: Pick<TimelineFilter, "organisationId" | "from" | "to">,
): Promise<readonly number[]> {
  const { rows } = await sql<{ hour: number; requests: string }>`
    select ((minute / 3600000000) % 24)::int as hour, sum(requests) as requests from monitoring.request_counts
    where organisation_id = ${organisationId} and minute >= ${from} and minute < ${to} group by 1`.execute(
    session,
  );
  const hours = Array.from({ length: 24 }, () => 0);
  for (const { hour, requests } of rows) hours[hour] = Number(requests);
  return hours;
}
