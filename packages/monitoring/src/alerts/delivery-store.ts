import type { Sql, Transaction } from "@portolan/kernel";
import type { Selectable } from "kysely";
import type { Alert, AlertDelivery, AlertRoute } from "./alert-schema.ts";
import { type RouteTable, tables } from "./alert-store.ts";

/** False when there is such a route already. */
export async function insertRoute(tx: Transaction, route: AlertRoute): Promise<boolean> {
  const added = await tables(tx.sql)
    .insertInto("monitoring.alert_routes")
    .values({
      id: route.id,
      organisation_id: tx.call.actor.organisationId,
      environment: route.environment,
      use_case_id: route.useCaseId,
      destination: route.destination,
      created_by: route.createdBy,
      created_at: route.createdAt,
      removed_by: null,
      removed_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return added.numInsertedOrUpdatedRows === 1n;
}

/** Routes in use, the oldest first. */
export async function listRoutes(sql: Sql, organisationId: string): Promise<AlertRoute[]> {
  const rows = await tables(sql)
    .selectFrom("monitoring.alert_routes")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("removed_at", "is", null)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map(routeOf);
}

/** A route in use. */
export async function findRoute(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<AlertRoute | undefined> {
  const routes = await listRoutes(sql, organisationId);
  return routes.find((route) => route.id === id);
}

export async function removeRoute(tx: Transaction, id: string): Promise<void> {
  await tables(tx.sql)
    .updateTable("monitoring.alert_routes")
    .set({ removed_at: tx.now, removed_by: tx.call.actor.id })
    .where("id", "=", id)
    .execute();
}

function routeOf(row: Selectable<RouteTable>): AlertRoute {
  return {
    id: row.id,
    environment: row.environment,
    useCaseId: row.use_case_id,
    destination: row.destination,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}

export interface DeliveryState {
  readonly told: Alert["state"] | null;
  /** Epoch microseconds. */
  readonly toldAt: number | null;
}

export async function findDelivery(sql: Sql, alertId: string, routeId: string): Promise<DeliveryState> {
  const row = await tables(sql)
    .selectFrom("monitoring.alert_deliveries")
    .select(["told", "told_at"])
    .where("alert_id", "=", alertId)
    .where("route_id", "=", routeId)
    .executeTakeFirst();
  return { told: row?.told ?? null, toldAt: row?.told_at ?? null };
}

/** What became of an attempt: what was told, or why nothing was. */
export async function putDelivery(
  tx: Transaction,
  { alertId, routeId }: { readonly alertId: string; readonly routeId: string },
  end: { readonly told: Alert["state"] } | { readonly failure: string },
): Promise<void> {
  const values =
    "told" in end
      ? { told: end.told, told_at: tx.now, failure: null, failed_at: null }
      : { failure: end.failure, failed_at: tx.now };
  await tables(tx.sql)
    .insertInto("monitoring.alert_deliveries")
    .values({
      alert_id: alertId,
      route_id: routeId,
      told: "told" in values ? values.told : null,
      told_at: "told" in values ? values.told_at : null,
      failure: values.failure,
      failed_at: values.failed_at,
    })
    .onConflict((conflict) => conflict.columns(["alert_id", "route_id"]).doUpdateSet(values))
    .execute();
}

export async function listDeliveries(sql: Sql, alertId: string): Promise<AlertDelivery[]> {
  const rows = await tables(sql)
    .selectFrom("monitoring.alert_deliveries as delivery")
    .innerJoin("monitoring.alert_routes as route", "route.id", "delivery.route_id")
    .select(["route.destination", "delivery.told", "delivery.failure"])
    .where("delivery.alert_id", "=", alertId)
    .orderBy("route.created_at")
    .execute();
  return rows.map(({ destination, told, failure }) => ({
    destination,
    told,
    ...(failure === null ? {} : { failure }),
  }));
}

/**
 * Deliveries to do once more: of open alerts those that were told or failed before `tried`, of alerts that were resolved after `resolved`
 * those that failed.
 */
export async function staleDeliveries(
  sql: Sql,
  organisationId: string,
  before: { readonly tried: number; readonly resolved: number },
): Promise<(Pick<Alert, "id" | "state" | "environment" | "useCaseId"> & { readonly routeId: string })[]> {
  const rows = await tables(sql)
    .selectFrom("monitoring.alert_deliveries as delivery")
    .innerJoin("monitoring.alerts as alert", "alert.id", "delivery.alert_id")
    .innerJoin("monitoring.alert_routes as route", "route.id", "delivery.route_id")
    .select(["alert.id", "alert.state", "alert.environment", "alert.use_case_id", "delivery.route_id"])
    .where("alert.organisation_id", "=", organisationId)
    .where("route.removed_at", "is", null)
    .where((eb) =>
      eb.or([
        eb.and([
          eb("alert.state", "=", "open"),
          eb.or([eb("delivery.told_at", "<=", before.tried), eb("delivery.failed_at", "<=", before.tried)]),
        ]),
        eb.and([
          eb("alert.state", "=", "resolved"),
          eb("delivery.told", "=", "open"),
          eb("delivery.failed_at", "<=", before.tried),
          eb("alert.resolved_at", ">", before.resolved),
        ]),
      ]),
    )
    .orderBy("alert.opened_at")
    .limit(500)
    .execute();
  return rows.map(({ id, state, environment, use_case_id: useCaseId, route_id: routeId }) => ({
    id,
    state,
    environment,
    useCaseId,
    routeId,
  }));
}
