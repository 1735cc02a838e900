import type { CallContext, Environment, JsonObject, JsonValue, Sql } from "@portolan/kernel";
import type { ColumnType, Generated, Selectable } from "kysely";

export const jobStates = ["waiting", "running", "retrying", "done", "failed", "cancelled"] as const;
export type JobState = (typeof jobStates)[number];

/** JSON columns are written as text: node-postgres would turn an array into an SQL array. */
export type Json<T> = ColumnType<T, string, string>;

export type JobRunsTable = {
  readonly id: string;
  readonly organisation_id: string;
  readonly environment: Environment | null;
  readonly team_id: string | null;
  readonly use_case_id: string | null;
  readonly queue: string;
  readonly boss_id: string;
  readonly key: string | null;
  readonly priority: Generated<number>;
  readonly payload: Json<JsonObject>;
  readonly call: Json<CallContext>;
  readonly state: JobState;
  readonly progress: Generated<number>;
  readonly note: Generated<string>;
  readonly attempts: Generated<number>;
  readonly failures: Generated<number>;
  readonly deferrals: Generated<number>;
  readonly cancel_requested: Generated<boolean>;
  readonly settled: Generated<boolean>;
  readonly result: ColumnType<JsonValue, string | null, string | null>;
  readonly error: string | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
};

export type JobRow = Selectable<JobRunsTable>;

export type JobStepsTable = {
  readonly job_id: string;
  readonly name: string;
  readonly result: Json<JsonValue>;
  readonly finished_at: number;
};

export type JobLogsTable = {
  readonly job_id: string;
  readonly line_number: Generated<number>;
  readonly at: number;
  readonly line: string;
};

export type JobTables = {
  "database.job_runs": JobRunsTable;
  "database.job_steps": JobStepsTable;
  "database.job_logs": JobLogsTable;
};

export function jobTables(sql: Sql) {
  return sql.withTables<JobTables>();
}
