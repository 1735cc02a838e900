import type { Environment, Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { ScoringPlan, ScoringRequest } from "./contract.ts";

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
  /** What the newest run was asked for. */
  readonly last: BatchOrder;
}

/** What is scored and under which name it is kept, as `portolan score` takes it. */
export interface BatchOrder extends Pick<ScoringRequest, "out" | "purpose" | "columns" | "keys"> {
  readonly dataset: string;
}

interface UseRow {
  readonly environment: Environment;
  readonly use_case_id: string;
  readonly target: string;
  readonly id: string;
  readonly windowed: boolean;
  readonly hour: number;
  readonly cpu: string;
  readonly request: ScoringRequest;
  readonly plan: Partial<Pick<ScoringPlan, "dataset">>;
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
      r.request, r.plan, ((c.scored_at / 3600000000) % 24)::int as hour, sum(c.cpu_micros) as cpu
    from scoring.runs as r join scoring.chunks as c on c.run_id = r.id
    where r.organisation_id = ${organisationId} and c.scored_at >= ${from} and c.scored_at < ${to}
    group by 1, 2, 3, 4, 5, 6, 7, 8 order by 4, 3, 8`.execute(session);
  const found = new Map<
    string,
    { use: BatchUse; runs: Set<string>; windowed: Set<string>; hours: number[]; last: BatchOrder }
  >();
  for (const { environment, use_case_id: useCaseId, target, id, windowed, hour, cpu, ...run } of rows) {
    const key = JSON.stringify([environment, useCaseId, target]);
    const last = orderOf(run);
    const own = found.get(key) ?? {
      use: { environment, useCaseId, target, runs: 0, windowed: 0, cpuMicrosByHour: [], last },
      last,
      runs: new Set<string>(),
      windowed: new Set<string>(),
      hours: Array.from({ length: 24 }, () => 0),
    };
    // In the order of their ids, which is that of their starts.
    own.last = last;
    own.runs.add(id);
    if (windowed) own.windowed.add(id);
    own.hours[hour] = (own.hours[hour] ?? 0) + Number(cpu);
    found.set(key, own);
  }
  return [...found.values()].map(({ use, runs, windowed, hours, last }) => ({
    ...use,
    last,
    runs: runs.size,
    windowed: windowed.size,
    cpuMicrosByHour: hours,
  }));
}

function orderOf({ request, plan }: Pick<UseRow, "request" | "plan">): BatchOrder {
  const { datasetId, out, purpose, columns, keys } = request;
  return {
    // Rows that stand still, such as a training set, are those again; of data that comes in the newest.
    dataset: `${plan.dataset?.name ?? "NAME"}@${datasetId.startsWith("ts_") ? datasetId : "latest"}`,
    out,
    ...(purpose === undefined ? {} : { purpose }),
    ...(columns === undefined ? {} : { columns }),
    ...(keys === undefined ? {} : { keys }),
  };
}
