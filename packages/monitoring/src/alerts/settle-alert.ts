import { newId, type Transaction } from "@portolan/kernel";
import { intendStop, recoveredPrefix } from "./alert-consequence.ts";
import type { Alert, AlertRoute } from "./alert-schema.ts";
import { findOpenAlert, insertAlert, resolveAlert } from "./alert-store.ts";
import { listRoutes } from "./delivery-store.ts";
import type { Finding } from "./finding.ts";

export const alertQueue = "monitoring.alert";

/**
 * Opens or resolves the alert of a finding, with its ledger row and its deliveries, in one transaction: none is lost, none is sent for
 * nothing. What is open already stays open.
 */
export async function settleFinding(
  tx: Transaction,
  finding: Finding,
): Promise<"opened" | "resolved" | "unchanged"> {
  const { condition, ...about } = finding;
  const open = await findOpenAlert(tx.sql, tx.call.actor.organisationId, finding.key);
  if (condition === "firing" && !open) {
    const alert: Alert = {
      ...about,
      id: newId("alert", tx.now),
      state: "open",
      openedAt: tx.now,
      resolvedAt: null,
      resolvedBecause: null,
    };
    await insertAlert(tx, alert);
    await tx.record({ event: "monitoring.alert.opened", subject: alert.id, detail: ledgerDetail(alert) });
    await intendStop(tx, alert, "stop");
    await tellRoutes(tx, alert);
    return "opened";
  }
  if (condition === "recovered" && open) {
    await endAlert(tx, open, recoveredPrefix + finding.summary);
    // Only a recovery gives back what was stopped: an alert that ends because nothing is judged any more shows nothing.
    await intendStop(tx, open, "resume");
    return "resolved";
  }
  return "unchanged";
}

/** Resolves an open alert, and has those told who were told of it. */
export async function endAlert(tx: Transaction, alert: Alert, because: string): Promise<void> {
  await resolveAlert(tx, alert.id, because);
  await tx.record({
    event: "monitoring.alert.resolved",
    subject: alert.id,
    detail: { ...ledgerDetail(alert), because: because.slice(0, 500) },
  });
  await tellRoutes(tx, { ...alert, state: "resolved" });
}

function ledgerDetail({ kind, environment, endpoint, variant, model, version, evidence }: Alert) {
  return { kind, environment, endpoint, variant, model, version, evidence };
}

async function tellRoutes(tx: Transaction, alert: Alert): Promise<void> {
  const routes = await listRoutes(tx.sql, tx.call.actor.organisationId);
  for (const route of routes.filter((one) => takes(one, alert))) await tellRoute(tx, alert, route);
}

/** Whether a route is for what an alert is about. */
export function takes(
  route: Pick<AlertRoute, "environment" | "useCaseId">,
  alert: Pick<Alert, "environment" | "useCaseId">,
): boolean {
  return (
    route.environment === alert.environment &&
    (route.useCaseId === null || route.useCaseId === alert.useCaseId)
  );
}

/** Has a destination told what the alert's state is; a job for each destination, so that one that is dead holds up no other. */
export async function tellRoute(
  tx: Transaction,
  { id, state, environment, useCaseId }: Pick<Alert, "id" | "state" | "environment" | "useCaseId">,
  route: Pick<AlertRoute, "id">,
): Promise<void> {
  await tx.enqueue({
    queue: alertQueue,
    payload: { alertId: id, routeId: route.id },
    key: `${id}:${route.id}:${state}`,
    place: { environment, ...(useCaseId === null ? {} : { useCaseId }) },
  });
}
