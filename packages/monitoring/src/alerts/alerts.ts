import {
  type Authorizer,
  type CallContext,
  type Clock,
  type Environment,
  newId,
  PortolanError,
  requireSeen,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { MonitoringErrorCode } from "../errors.ts";
import type { Alert, AlertRoute, AlertView } from "./alert-schema.ts";
import { type AlertFilter, findAlert, findSilence, listAlerts, putSilence } from "./alert-store.ts";
import { findRoute, insertRoute, listDeliveries, listRoutes, removeRoute } from "./delivery-store.ts";
import { takes, tellRoute } from "./settle-alert.ts";

export interface AlertDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
}

const pageSize = 100;
/** Open alerts that a new route is told of. */
const mostOpen = 1000;
const longestSilenceMicros = 90 * 86_400_000_000;

/** Alerts that the caller may see, newest first, at most a hundred; `after` the last of them come the next. */
export async function readAlerts(
  deps: AlertDeps,
  call: CallContext,
  filter: Omit<AlertFilter, "organisationId"> & { readonly environment?: Environment },
): Promise<AlertView[]> {
  const { organisationId } = call.actor;
  const { environment, ...rest } = filter;
  const seen: Alert[] = [];
  let page: AlertFilter = { ...rest, organisationId };
  // What others are told of must not push out what this caller may see.
  while (seen.length < pageSize) {
    const found = await deps.work.read(call, (sql) => listAlerts(sql, page, pageSize));
    for (const alert of found)
      if (environment === undefined || alert.environment === environment)
        if (await maySee(deps, call, alert)) seen.push(alert);
    const last = found.at(-1);
    if (!last || found.length < pageSize) break;
    page = { ...page, after: last.id };
  }
  const shown = seen.slice(0, pageSize);
  return deps.work.read(call, async (sql) => {
    const views: AlertView[] = [];
    for (const alert of shown) views.push(await viewOf(sql, organisationId, alert, deps.clock.now()));
    return views;
  });
}

async function viewOf(sql: Sql, organisationId: string, alert: Alert, now: number): Promise<AlertView> {
  return {
    ...alert,
    silence: (await findSilence(sql, organisationId, alert.key, now)) ?? null,
    deliveries: await listDeliveries(sql, alert.id),
  };
}

/**
 * Sends nothing of what this alert is about until then, also when it is resolved and opened again meanwhile; whoever was told before is told
 * of the recovery.
 *
 * @param silence `until` in epoch microseconds, in the future, at most 90 days
 * @throws PortolanError `kernel.not_found`, also for an alert that the caller may not see; `kernel.bad_request` for an instant out of reach
 */
export async function silenceAlert(
  deps: AlertDeps,
  call: CallContext,
  id: string,
  silence: { readonly until: number; readonly reason: string },
): Promise<AlertView> {
  const { organisationId } = call.actor;
  const missing = () => notFound("alert");
  const alert = await deps.work.read(call, (sql) => findAlert(sql, organisationId, id));
  if (!alert) throw missing();
  const resource = resourceOf(call, alert, id);
  await requireSeen(deps.authorizer, call, { action: "alerts:manage", resource }, missing);
  return deps.work.write(call, async (tx) => {
    if (silence.until <= tx.now || silence.until > tx.now + longestSilenceMicros)
      throw new PortolanError("kernel.bad_request", {
        detail: "a silence ends in the future, within 90 days",
        mend: "Name a later instant, or one that is nearer.",
      });
    await putSilence(tx, alert.key, silence);
    await tx.record({
      event: "monitoring.alert.silenced",
      subject: id,
      detail: { until: silence.until, reason: silence.reason },
    });
    return viewOf(tx.sql, organisationId, alert, tx.now);
  });
}

/** What a route is for. */
export interface RouteRequest {
  readonly environment: Environment;
  /** An id; absent: all of the organisation's. */
  readonly useCaseId?: string;
  readonly destination: string;
}

/**
 * Sends alerts of a place to one of the operator's destinations from now on, those that are open now included.
 *
 * @throws PortolanError `kernel.conflict` when there is such a route
 */
export async function addRoute(deps: AlertDeps, call: CallContext, asked: RouteRequest): Promise<AlertRoute> {
  const { environment, useCaseId = null, destination } = asked;
  await deps.authorizer.require(call, "alerts:manage", resourceOf(call, { environment, useCaseId }));
  return deps.work.write(call, async (tx) => {
    const route: AlertRoute = {
      id: newId("alertRoute", tx.now),
      environment,
      useCaseId,
      destination,
      createdBy: call.actor.id,
      createdAt: tx.now,
    };
    if (!(await insertRoute(tx, route)))
      throw new PortolanError("kernel.conflict", {
        detail: `alerts of this place go to ${destination} already`,
        mend: "See portolan alert route list.",
      });
    await tx.record({
      event: "monitoring.alert_route.added",
      subject: route.id,
      detail: { environment, destination, ...(useCaseId === null ? {} : { useCaseId }) },
    });
    await tellWhatIsOpen(tx, route);
    return route;
  });
}

async function tellWhatIsOpen(tx: Transaction, route: AlertRoute): Promise<void> {
  const { organisationId } = tx.call.actor;
  const open = await listAlerts(tx.sql, { organisationId, state: "open" }, mostOpen);
  for (const alert of open.filter((one) => takes(route, one))) await tellRoute(tx, alert, route);
}

/** Routes of the places whose alerts the caller may see. */
export async function readRoutes(deps: AlertDeps, call: CallContext): Promise<AlertRoute[]> {
  const routes = await deps.work.read(call, (sql) => listRoutes(sql, call.actor.organisationId));
  const seen: AlertRoute[] = [];
  for (const route of routes) if (await maySee(deps, call, route)) seen.push(route);
  return seen;
}

/**
 * Nothing is sent along this route any more; a destination that was told of what is open hears nothing of its end.
 *
 * @throws PortolanError `kernel.not_found`, also for a route that the caller may not see
 */
export async function dropRoute(deps: AlertDeps, call: CallContext, id: string): Promise<AlertRoute> {
  const missing = () => notFound("route");
  const route = await deps.work.read(call, (sql) => findRoute(sql, call.actor.organisationId, id));
  if (!route) throw missing();
  const resource = resourceOf(call, route, id);
  await requireSeen(deps.authorizer, call, { action: "alerts:manage", resource }, missing);
  await deps.work.write(call, async (tx) => {
    await removeRoute(tx, id);
    const { environment, destination } = route;
    await tx.record({
      event: "monitoring.alert_route.removed",
      subject: id,
      detail: { environment, destination },
    });
  });
  return route;
}

type AlertPlace = Pick<Alert, "environment" | "useCaseId">;

/** @param id of what is there: to who may not see it, it is answered like what is not */
function resourceOf(call: CallContext, { environment, useCaseId }: AlertPlace, id?: string) {
  const { organisationId } = call.actor;
  const place = { organisationId, environment, ...(useCaseId === null ? {} : { useCaseId }) };
  return { type: "Alert", ...place, ...(id === undefined ? {} : { id }) };
}

async function maySee(
  { authorizer }: Pick<AlertDeps, "authorizer">,
  call: CallContext,
  place: AlertPlace,
): Promise<boolean> {
  return (await authorizer.decide(call, "alerts:read", resourceOf(call, place))).allowed;
}

function notFound(what: string): PortolanError<MonitoringErrorCode | "kernel.not_found"> {
  return new PortolanError("kernel.not_found", {
    detail: `there is no such ${what}`,
    mend: `See portolan alert ${what === "route" ? "route list" : "list"}.`,
  });
}
