import type { CallContext, JsonObject, JsonValue, Sql } from "@portolan/kernel";
import type { ColumnType, Generated } from "kysely";
import type { Json } from "../jobs/job-tables.ts";

export type IntentState = "open" | "done";

export type IntentsTable = {
  readonly id: string;
  readonly kind: string;
  readonly payload: Json<JsonObject>;
  readonly call: Json<CallContext>;
  readonly state: IntentState;
  readonly attempts: Generated<number>;
  readonly created_at: number;
  readonly next_attempt_at: number;
  readonly last_error: string | null;
  readonly outcome: ColumnType<JsonValue, string | null, string | null>;
  readonly closed_at: number | null;
};

export type IntentTables = {
  "database.intents": IntentsTable;
};

export function intentTables(sql: Sql) {
  return sql.withTables<IntentTables>();
}
