import type { Logger, Place } from "@portolan/kernel";
import type { ModelReference, Route, SnapshotPart } from "@portolan/serving/contract";
import { mayServe } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";

/** Parts for other places: control hands them to nobody here, so they are not asked for. Pure. */
export function isForHere(part: SnapshotPart, place: Place): boolean {
  return mayServe(part.placement, place);
}

/**
 * The routes whose charter lets them be served here. Control sends no others; a gateway that trusted it with that
 * alone would process data wherever a mistake of control put it.
 */
export function placedHere(
  routes: readonly Route[],
  place: Place,
  { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
): Route[] {
  const allowed = routes.filter((route) => mayServe(route.placement, place) && mayAsk(route, route.model));
  const here = allowed.map((route) => withoutMisplaced(route, log));
  for (const { environment, endpoint, placement } of routes.filter((route) => !allowed.includes(route)))
    log.error({ environment, endpoint, placement, ...place }, "gateway.route.misplaced");
  metrics.gauge(
    "portolan_gateway_routes_misplaced",
    "Routes that this gateway refuses to serve where it stands",
    {},
    routes.length - here.length,
  );
  return here;
}

/** Whether the charter allows the place of the server that runs the version; those that run here stand where the gateway does. */
function mayAsk({ placement, environment }: Route, { upstream }: ModelReference): boolean {
  return !upstream || (mayServe(placement, upstream) && upstream.environments.includes(environment));
}

/** The route without the versions beside its champion that are run where its charter does not allow it. */
function withoutMisplaced(route: Route, log: Logger): Route {
  const { previous, secondary, variants, backends } = route;
  const beside = [
    ...(backends?.order ?? []),
    ...variants,
    ...(previous ? [previous] : []),
    ...(secondary ? [secondary] : []),
  ];
  const misplaced = beside.filter(({ model }) => !mayAsk(route, model));
  if (misplaced.length === 0) return route;
  const { environment, endpoint } = route;
  const models = misplaced.map(({ model }) => `${model.name}/${model.version}`);
  log.error({ environment, endpoint, models }, "gateway.upstream.misplaced");
  return {
    ...route,
    ...(backends
      ? { backends: { ...backends, order: backends.order.filter(({ model }) => mayAsk(route, model)) } }
      : {}),
    variants: variants.filter(({ model }) => mayAsk(route, model)),
    previous: previous && mayAsk(route, previous.model) ? previous : null,
    secondary: secondary && mayAsk(route, secondary.model) ? secondary : null,
  };
}
