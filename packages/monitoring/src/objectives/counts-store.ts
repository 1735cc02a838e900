import { type Environment, environments, type Sql } from "@portolan/kernel";
import { sql } from "kysely";
import { pruneMachines } from "../machine/machine-store.ts";
import type { StageMinute } from "../timeline/count-stages.ts";
import { addStages, pruneStages, type TimelineFilter } from "../timeline/stage-store.ts";
import { type BurnWindow, burnWindows } from "./burn.ts";
import type { CountedMinute, RequestCounts } from "./count-requests.ts";
import { bucketEdgeMicros } from "./indicator.ts";

const scalars = ["requests", "unavailable", "answers", "fallbacks"] as const;
const buckets = [...bucketEdgeMicros.map((edge) => `within_${edge}`), "beyond"];
const columns = [...scalars, ...buckets];

/** A block of the prediction log, by its address, and what of an organisation is in it. */
export interface BlockRequests {
  readonly writerId: string;
  readonly epoch: number;
  readonly block: number;
  readonly minutes: readonly CountedMinute[];
  readonly stages: readonly StageMinute[];
}

/** Adds it to what is counted; the same block again adds nothing. */
export async function addBlock(
  session: Sql,
  organisationId: string,
  { writerId, epoch, block, minutes, stages }: BlockRequests,
  now: number,
): Promise<void> {
  const marked =
    await sql`insert into monitoring.counted_blocks (writer_id, epoch, block, organisation_id, counted_at)
    values (${writerId}, ${epoch}, ${block}, ${organisationId}, ${now}) on conflict do nothing returning block`.execute(
      session,
    );
  if (marked.rows.length === 0) return;
  await addStages(session, organisationId, stages);
  for (const { environment, endpoint, minute, ...counts } of minutes) {
    const values = [...scalars.map((name) => counts[name]), ...counts.tookWithin];
    await sql`insert into monitoring.request_counts as c (organisation_id, environment, endpoint, minute, ${names()})
      values (${organisationId}, ${environment}, ${endpoint}, ${minute}, ${sql.join(values)})
      on conflict (organisation_id, environment, endpoint, minute) do update set ${sql.join(
        columns.map((name) => sql`${sql.ref(name)} = c.${sql.ref(name)} + excluded.${sql.ref(name)}`),
      )}`.execute(session);
  }
}

function names() {
  return sql.join(columns.map((name) => sql.ref(name)));
}

type SumRow = Readonly<Record<string, string | number>>;

function countsIn(row: SumRow): RequestCounts {
  const of = (name: string): number => Number(row[name] ?? 0);
  return {
    requests: of("requests"),
    unavailable: of("unavailable"),
    answers: of("answers"),
    fallbacks: of("fallbacks"),
    tookWithin: buckets.map(of),
  };
}

function sums() {
  return sql.join(columns.map((name) => sql`sum(${sql.ref(name)}) as ${sql.ref(name)}`));
}

/** An endpoint that had requests. */
export interface CountedEndpoint {
  readonly environment: Environment;
  readonly endpoint: string;
}

/** Endpoints of an organisation that had requests since. */
export async function countedEndpoints(
  session: Sql,
  organisationId: string,
  since: number,
): Promise<CountedEndpoint[]> {
  const { rows } = await sql<{ environment: string; endpoint: string }>`
    select distinct environment, endpoint from monitoring.request_counts
    where organisation_id = ${organisationId} and minute >= ${since} order by environment, endpoint`.execute(
    session,
  );
  return rows.flatMap(({ environment, endpoint }) => {
    const known = environments.find((one) => one === environment);
    return known ? [{ environment: known, endpoint }] : [];
  });
}

/** What lies in each window before `now` and in none that is shorter. */
export async function countsByWindow(
  session: Sql,
  organisationId: string,
  { environment, endpoint }: CountedEndpoint,
  now: number,
): Promise<Map<BurnWindow, RequestCounts>> {
  const cases = burnWindows.map(([name, micros]) => sql`when minute > ${now - micros} then ${name}::text`);
  const [, longest] = burnWindows[burnWindows.length - 1] ?? ["3d", 0];
  const { rows } = await sql<SumRow>`
    select case ${sql.join(cases, sql` `)} end as window_name, ${sums()} from monitoring.request_counts
    where organisation_id = ${organisationId} and environment = ${environment} and endpoint = ${endpoint}
      and minute > ${now - longest} and minute <= ${now} group by 1`.execute(session);
  const found = new Map<BurnWindow, RequestCounts>();
  for (const row of rows) {
    const window = burnWindows.find(([name]) => name === row["window_name"]);
    if (window) found.set(window[0], countsIn(row));
  }
  return found;
}

/** All requests of an endpoint since, until now: what a clock that is ahead says is of later. */
export async function countsSince(
  session: Sql,
  organisationId: string,
  { environment, endpoint }: CountedEndpoint,
  { since, now }: { readonly since: number; readonly now: number },
): Promise<RequestCounts> {
  const { rows } = await sql<SumRow>`select ${sums()} from monitoring.request_counts
    where organisation_id = ${organisationId} and environment = ${environment} and endpoint = ${endpoint}
      and minute > ${since} and minute <= ${now}`.execute(session);
  return countsIn(rows[0] ?? {});
}

/** Requests of an endpoint by minute, the oldest first. */
export async function countsByMinute(
  session: Sql,
  { organisationId, environment, endpoint, from, to }: TimelineFilter,
): Promise<(RequestCounts & { readonly minute: number })[]> {
  const { rows } = await sql<SumRow>`select minute, ${names()} from monitoring.request_counts
    where organisation_id = ${organisationId} and environment = ${environment} and endpoint = ${endpoint}
      and minute >= ${from} and minute < ${to} order by minute`.execute(session);
  return rows.map((row) => ({ ...countsIn(row), minute: Number(row["minute"]) }));
}

/** Forgets what no window looks at any more. */
export async function pruneCounts(session: Sql, before: number): Promise<void> {
  await sql`delete from monitoring.request_counts where minute < ${before}`.execute(session);
  await pruneStages(session, before);
  await pruneMachines(session, before);
  await sql`delete from monitoring.counted_blocks where counted_at < ${before}`.execute(session);
}
