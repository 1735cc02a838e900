import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";
import { type Span, type WorkedRun, workedMicros } from "./worked-time.ts";

type Row = {
  run: string;
  state: string;
  backend: string | null;
  started_at: number;
  finished_at: number | null;
  from: number | null;
  to: number | null;
};

/**
 * How long trainers of a use case were at work, whoever began the runs: from some moment on, and in all of the run that succeeded last.
 *
 * @returns microseconds of wall-clock time
 */
export async function timeWorked(
  sql: Sql,
  of: { readonly organisationId: string; readonly useCaseId: string },
  span: Span,
): Promise<{ readonly micros: number; readonly lastRunMicros?: number }> {
  const { rows } = await raw<Row>`
    with last as (
      select id from training.runs
      where organisation_id = ${of.organisationId} and use_case_id = ${of.useCaseId} and state = 'succeeded'
      order by finished_at desc, id desc limit 1)
    select r.id as run, r.state, r.request->>'backend' as backend, r.started_at, r.finished_at, a.started_at as "from",
      -- What is under way was looked at a moment ago; what a killed control left was not at work afterwards.
      coalesce(a.ended_at, a.seen_at) as "to"
    from training.runs r left join training.attempts a on a.run_id = r.id
    where r.organisation_id = ${of.organisationId} and r.use_case_id = ${of.useCaseId}
      and (r.finished_at > ${span.since} or r.finished_at is null or r.id in (select id from last))
    order by r.finished_at, r.id`.execute(sql);
  const byRun = Map.groupBy(rows, ({ run }) => run);
  const runs = [...byRun.values()].flatMap((own) => {
    const [first] = own;
    return first ? [{ first, worked: workedOf(first, own, span.now) }] : [];
  });
  const last = runs.findLast(({ first }) => first.state === "succeeded");
  return {
    micros: runs.reduce((sum, { worked }) => sum + workedMicros(worked, span), 0),
    ...(last ? { lastRunMicros: workedMicros(last.worked, { since: 0, now: span.now }) } : {}),
  };
}

/** The same of one run, so far; undefined where the organisation has none of that id. */
export async function timeWorkedOn(
  sql: Sql,
  of: { readonly organisationId: string; readonly runId: string },
  now: number,
): Promise<{ readonly micros: number } | undefined> {
  const { rows } = await raw<Row>`
    select r.id as run, r.state, r.request->>'backend' as backend, r.started_at, r.finished_at, a.started_at as "from",
      coalesce(a.ended_at, a.seen_at) as "to"
    from training.runs r left join training.attempts a on a.run_id = r.id
    where r.organisation_id = ${of.organisationId} and r.id = ${of.runId}`.execute(sql);
  const [first] = rows;
  return first && { micros: workedMicros(workedOf(first, rows, now), { since: 0, now }) };
}

function workedOf(first: Row, rows: readonly Row[], now: number): WorkedRun {
  const attempts = rows.flatMap(({ from, to }) => (from === null || to === null ? [] : [{ from, to }]));
  const isElsewhere = first.backend !== null && first.backend !== "process" && first.state !== "waiting";
  return {
    attempts,
    ...(isElsewhere ? { whole: { from: first.started_at, to: first.finished_at ?? now } } : {}),
  };
}
