import {
  type Environment,
  type JsonObject,
  type JsonValue,
  placeOf,
  type Sql,
  type WorkPlace,
} from "@portolan/kernel";
import { type JobRow, type JobState, jobTables } from "./job-tables.ts";

/** Where a job belongs. */
export type JobPlace = WorkPlace & { readonly environment?: Environment };

/** A job as the API shows it. Times are epoch microseconds. */
export interface JobView {
  readonly id: string;
  readonly place: JobPlace;
  readonly queue: string;
  readonly key?: string;
  readonly state: JobState;
  /** Between 0 and 1. */
  readonly progress: number;
  readonly note: string;
  readonly payload: JsonObject;
  readonly attempts: number;
  readonly cancelRequested: boolean;
  readonly requestedBy: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly result?: JsonValue;
  readonly error?: string;
}

export interface JobLogLine {
  /** Grows with time; pass the last one as `after` to read on. */
  readonly number: number;
  readonly at: number;
  readonly line: string;
}

export interface JobFilter {
  readonly organisationId: string;
  readonly queue?: string;
  readonly key?: string;
  readonly states?: readonly JobState[];
  /** Jobs of these places only. */
  readonly places?: readonly JobPlace[];
  /** Newest first; at most this many, default 100. */
  readonly limit?: number;
}

export async function listJobs(sql: Sql, filter: JobFilter): Promise<JobView[]> {
  let query = jobTables(sql)
    .selectFrom("database.job_runs")
    .selectAll()
    .where("organisation_id", "=", filter.organisationId);
  if (filter.queue !== undefined) query = query.where("queue", "=", filter.queue);
  if (filter.key !== undefined) query = query.where("key", "=", filter.key);
  if (filter.states !== undefined) query = query.where("state", "in", filter.states);
  const { places } = filter;
  if (places !== undefined)
    query = query.where((where) =>
      where.or(
        places.map(({ environment, teamId, useCaseId }) =>
          where.and([
            where("environment", "is not distinct from", environment ?? null),
            where("team_id", "is not distinct from", teamId ?? null),
            where("use_case_id", "is not distinct from", useCaseId ?? null),
          ]),
        ),
      ),
    );
  const rows = await query
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(filter.limit ?? 100)
    .execute();
  return rows.map(toView);
}

/** Jobs of these queues that wait or run, of an organisation in these environments and of those that have none. */
export async function listOpenJobs(
  sql: Sql,
  filter: {
    readonly organisationId: string;
    readonly queues: readonly string[];
    readonly environments: readonly Environment[];
  },
): Promise<string[]> {
  const rows = await jobTables(sql)
    .selectFrom("database.job_runs")
    .select("id")
    .where("organisation_id", "=", filter.organisationId)
    .where("queue", "in", [...filter.queues])
    .where("state", "in", ["waiting", "running", "retrying"])
    .where((where) =>
      where.or([where("environment", "is", null), where("environment", "in", [...filter.environments])]),
    )
    .orderBy("id")
    .execute();
  return rows.map(({ id }) => id);
}

/** The places that an organisation has jobs of: few, however many jobs there are. */
export async function listJobPlaces(sql: Sql, organisationId: string): Promise<JobPlace[]> {
  const rows = await jobTables(sql)
    .selectFrom("database.job_runs")
    .select(["environment", "team_id", "use_case_id"])
    .distinct()
    .where("organisation_id", "=", organisationId)
    .execute();
  return rows.map(jobPlaceOf);
}

function jobPlaceOf(row: Pick<JobRow, "environment" | "team_id" | "use_case_id">): JobPlace {
  return { ...placeOf(row), ...(row.environment === null ? {} : { environment: row.environment }) };
}

/** `undefined` for a job of another organisation too. */
export async function getJob(sql: Sql, organisationId: string, jobId: string): Promise<JobView | undefined> {
  const row = await jobTables(sql)
    .selectFrom("database.job_runs")
    .selectAll()
    .where("id", "=", jobId)
    .where("organisation_id", "=", organisationId)
    .executeTakeFirst();
  return row === undefined ? undefined : toView(row);
}

/** Log lines in order, from after line number `after`. */
export async function readJobLog(
  sql: Sql,
  organisationId: string,
  jobId: string,
  after = 0,
  limit = 1000,
): Promise<JobLogLine[]> {
  if ((await getJob(sql, organisationId, jobId)) === undefined) return [];
  const rows = await jobTables(sql)
    .selectFrom("database.job_logs")
    .select(["line_number", "at", "line"])
    .where("job_id", "=", jobId)
    .where("line_number", ">", after)
    .orderBy("line_number")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ number: row.line_number, at: row.at, line: row.line }));
}

function toView(row: JobRow): JobView {
  return {
    id: row.id,
    place: jobPlaceOf(row),
    queue: row.queue,
    ...(row.key === null ? {} : { key: row.key }),
    state: row.state,
    progress: row.progress,
    note: row.note,
    payload: row.payload,
    attempts: row.attempts,
    cancelRequested: row.cancel_requested,
    requestedBy: row.call.actor.id,
    createdAt: row.created_at,
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    ...(row.result === null ? {} : { result: row.result }),
    ...(row.error === null ? {} : { error: row.error }),
  };
}
