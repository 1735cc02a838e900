import type { Environment, Sql } from "@portolan/kernel";
import type { JSONColumnType } from "kysely";
import type { Alert } from "./alert-schema.ts";

export type AlertTable = {
  id: string;
  organisation_id: string;
  key: string;
  kind: Alert["kind"];
  environment: Environment;
  use_case_id: string | null;
  endpoint: string;
  variant: string;
  model: string;
  version: string;
  state: Alert["state"];
  summary: string;
  evidence: JSONColumnType<Alert["evidence"]>;
  opened_at: number;
  resolved_at: number | null;
  resolved_because: string | null;
};
type SilenceTable = {
  organisation_id: string;
  key: string;
  until_at: number;
  reason: string;
  silenced_by: string;
  silenced_at: number;
};
export type RouteTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string | null;
  destination: string;
  created_by: string;
  created_at: number;
  removed_by: string | null;
  removed_at: number | null;
};
type DeliveryTable = {
  alert_id: string;
  route_id: string;
  told: Alert["state"] | null;
  told_at: number | null;
  failure: string | null;
  failed_at: number | null;
};
export type AlertTables = {
  "monitoring.alerts": AlertTable;
  "monitoring.alert_silences": SilenceTable;
  "monitoring.alert_routes": RouteTable;
  "monitoring.alert_deliveries": DeliveryTable;
};
/** What alerts are kept in. */
export const tables = (sql: Sql) => sql.withTables<AlertTables>();
