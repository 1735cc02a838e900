import type { Logger, Place } from "@portolan/kernel";
import type { Route, SnapshotPart } from "@portolan/serving/contract";
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
  const here = routes.filter((route) => mayServe(route.placement, place));
  for (const { environment, endpoint, placement } of routes.filter((route) => !here.includes(route)))
    log.error({ environment, endpoint, placement, ...place }, "gateway.route.misplaced");
  metrics.gauge(
    "portolan_gateway_routes_misplaced",
    "Routes that this gateway refuses to serve where it stands",
    {},
    routes.length - here.length,
  );
  return here;
}
