import { opensAt } from "@portolan/capacity/policy";
import type { EpochMicros, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import type { TrainingRunRequest } from "./contract.ts";

type Times = Pick<TrainingRunRequest, "windows" | "notBefore">;

/** Of the request of a run, when it may begin; the rest may be long. */
export const timesAsked = raw<Times>`jsonb_strip_nulls(
  jsonb_build_object('windows', request -> 'windows', 'notBefore', request -> 'notBefore'))`;

/**
 * How many an organisation has that run, or wait for room. One whose time has not come, and one that was stopped for it did nothing, wait for something else:
 * nobody else's run ends sooner or later for them. Told to go on, a stopped one counts again once it has begun.
 */
export async function runsUnderWay(sql: Sql, organisationId: string, now: EpochMicros): Promise<number> {
  const { rows } = await raw<{ state: string; times: Times; ending: string | null }>`
    select r.state, ${timesAsked} as times, (
      select a.ending from training.attempts as a where a.run_id = r.id order by a.attempt desc limit 1
    ) as ending
    from training.runs as r
    where r.organisation_id = ${organisationId} and r.state in ('waiting', 'running')`.execute(sql);
  const counted = rows.filter(
    ({ state, times, ending }) =>
      state === "running" || (ending !== "idle" && opensAt(times, now) === undefined),
  );
  return counted.length;
}
