import type { Environment, Sql } from "@portolan/kernel";
import { sql } from "kysely";

/** What batches of one target took of processors in a time. */
export interface BatchUse {
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly target: string;
  readonly runs: number;
  /** Runs that were bound to hours of the day. */
  readonly windowed: number;
  /** CPU time by hour of the day (UTC) in which it was spent, 24 figures, microseconds. */
  readonly cpuMicrosByHour: readonly number[];
}

interface UseRow {
  readonly environment: Environment;
  readonly use_case_id: string;
  readonly target: string;
  readonly id: string;
  readonly windowed: boolean;
  readonly hour: number;
  readonly cpu: string;
}

/** By target, place and hour; runs of every state, since a chunk that was computed was paid for. */
export async function batchUse(
  session: Sql,
  {
    organisationId,
    from,
    to,
  }: { readonly organisationId: string; readonly from: number; readonly to: number },
): Promise<readonly BatchUse[]> {
  const { rows } = await sql<UseRow>`
    select r.environment, r.use_case_id, r.id,
      coalesce(r.request ->> 'endpoint', (r.request ->> 'model') || '@' || (r.request ->> 'version')) as target,
      coalesce(jsonb_array_length(r.request -> 'windows'), 0) > 0 as windowed,
      ((c.scored_at / 3600000000) % 24)::int as hour, sum(c.cpu_micros) as cpu
    from scoring.runs as r join scoring.chunks as c on c.run_id = r.id
    where r.organisation_id = ${organisationId} and c.scored_at >= ${from} and c.scored_at < ${to}
    group by 1, 2, 3, 4, 5, 6 order by 4, 3, 6`.execute(session);
  const found = new Map<
    string,
    { use: BatchUse; runs: Set<string>; windowed: Set<string>; hours: number[] }
  >();
  for (const { environment, use_case_id: useCaseId, target, id, windowed, hour, cpu } of rows) {
    const key = JSON.stringify([environment, useCaseId, target]);
    const own = found.get(key) ?? {
      use: { environment, useCaseId, target, runs: 0, windowed: 0, cpuMicrosByHour: [] },
      runs: new Set<string>(),
      windowed: new Set<string>(),
      hours: Array.from({ length: 24 }, () => 0),
    };
    own.runs.add(id);
    if (windowed) own.windowed.add(id);
    own.hours[hour] = (own.hours[hour] ?? 0) + Number(cpu);
    found.set(key, own);
  }
  return [...found.values()].map(({ use, runs, windowed, hours }) => ({
    ...use,
    runs: runs.size,
    windowed: windowed.size,
    cpuMicrosByHour: hours,
  }));
}
