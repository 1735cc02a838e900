import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { Alert, AlertSilence } from "./alert-schema.ts";

type AlertTable = {
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
type AlertTables = {
  "monitoring.alerts": AlertTable;
  "monitoring.alert_silences": SilenceTable;
  "monitoring.alert_routes": RouteTable;
  "monitoring.alert_deliveries": DeliveryTable;
};
/** What alerts are kept in. */
export const tables = (sql: Sql) => sql.withTables<AlertTables>();

export async function insertAlert(tx: Transaction, alert: Alert): Promise<void> {
  await tables(tx.sql)
    .insertInto("monitoring.alerts")
    .values({
      id: alert.id,
      organisation_id: tx.call.actor.organisationId,
      key: alert.key,
      kind: alert.kind,
      environment: alert.environment,
      use_case_id: alert.useCaseId,
      endpoint: alert.endpoint,
      variant: alert.variant,
      model: alert.model,
      version: alert.version,
      state: alert.state,
      summary: alert.summary,
      evidence: JSON.stringify(alert.evidence),
      opened_at: alert.openedAt,
      resolved_at: null,
      resolved_because: null,
    })
    .execute();
}

export async function findOpenAlert(
  sql: Sql,
  organisationId: string,
  key: string,
): Promise<Alert | undefined> {
  const row = await tables(sql)
    .selectFrom("monitoring.alerts")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("key", "=", key)
    .where("state", "=", "open")
    .executeTakeFirst();
  return row && alertOf(row);
}

export async function findAlert(sql: Sql, organisationId: string, id: string): Promise<Alert | undefined> {
  const row = await tables(sql)
    .selectFrom("monitoring.alerts")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && alertOf(row);
}

export async function resolveAlert(tx: Transaction, id: string, because: string): Promise<void> {
  await tables(tx.sql)
    .updateTable("monitoring.alerts")
    .set({ state: "resolved", resolved_at: tx.now, resolved_because: because })
    .where("id", "=", id)
    .execute();
}

export interface AlertFilter {
  readonly organisationId: string;
  readonly state?: Alert["state"];
  readonly kind?: Alert["kind"];
  /** Only alerts that come after this one in the list: older ones. */
  readonly after?: string;
}

/** Newest first. */
export async function listAlerts(sql: Sql, filter: AlertFilter, limit: number): Promise<Alert[]> {
  let query = tables(sql)
    .selectFrom("monitoring.alerts")
    .selectAll()
    .where("organisation_id", "=", filter.organisationId);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.kind !== undefined) query = query.where("kind", "=", filter.kind);
  if (filter.after !== undefined) {
    const { organisationId, after } = filter;
    query = query.where((eb) =>
      eb(
        eb.refTuple("opened_at", "id"),
        "<",
        eb
          .selectFrom("monitoring.alerts as last")
          .select(["last.opened_at", "last.id"])
          .where("last.organisation_id", "=", organisationId)
          .where("last.id", "=", after)
          .$asTuple("opened_at", "id"),
      ),
    );
  }
  const rows = await query.orderBy("opened_at", "desc").orderBy("id", "desc").limit(limit).execute();
  return rows.map(alertOf);
}

function alertOf(row: Selectable<AlertTable>): Alert {
  return {
    id: row.id,
    key: row.key,
    kind: row.kind,
    environment: row.environment,
    useCaseId: row.use_case_id,
    endpoint: row.endpoint,
    variant: row.variant,
    model: row.model,
    version: row.version,
    state: row.state,
    summary: row.summary,
    evidence: row.evidence,
    openedAt: row.opened_at,
    resolvedAt: row.resolved_at,
    resolvedBecause: row.resolved_because,
  };
}

/** The silence of a key that is not over. */
export async function findSilence(
  sql: Sql,
  organisationId: string,
  key: string,
  now: number,
): Promise<AlertSilence | undefined> {
  const row = await tables(sql)
    .selectFrom("monitoring.alert_silences")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("key", "=", key)
    .where("until_at", ">", now)
    .executeTakeFirst();
  return row && { until: row.until_at, reason: row.reason, by: row.silenced_by };
}

export async function putSilence(
  tx: Transaction,
  key: string,
  silence: Pick<AlertSilence, "until" | "reason">,
): Promise<void> {
  const { organisationId, id } = tx.call.actor;
  const values = {
    until_at: silence.until,
    reason: silence.reason,
    silenced_by: id,
    silenced_at: tx.now as number,
  };
  await tables(tx.sql)
    .insertInto("monitoring.alert_silences")
    .values({ organisation_id: organisationId, key, ...values })
    .onConflict((conflict) => conflict.columns(["organisation_id", "key"]).doUpdateSet(values))
    .execute();
}

/**
 * Endpoints that have labels of predictions that arrived, or labels that were reported, from then on.
 *
 * @param since epoch microseconds
 */
export async function labelledEndpoints(
  sql: Sql,
  organisationId: string,
  since: { readonly received: number } | { readonly reported: number },
): Promise<string[]> {
  let query = sql
    .withTables<{
      "predictions.labels_v1": {
        organisation_id: string;
        endpoint: string;
        received_at: number;
        reported_at: number;
      };
    }>()
    .selectFrom("predictions.labels_v1")
    .select("endpoint")
    .distinct()
    .where("organisation_id", "=", organisationId);
  query =
    "received" in since
      ? query.where("received_at", ">=", since.received)
      : query.where("reported_at", ">=", since.reported);
  const rows = await query.orderBy("endpoint").execute();
  return rows.map(({ endpoint }) => endpoint);
}
