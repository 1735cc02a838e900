import { canonicalJson, type ObjectStore, parseDigest } from "@portolan/kernel";
import { Type } from "@portolan/typebox";
import type { Served } from "../served-routes.ts";
import { fitTo, type Misfit } from "./misfit.ts";
import { versionsIn } from "./placed-parts.ts";
import { describeRefusal, type PartRefusal, partUnfit } from "./refusals.ts";
import { Route, routeKey, type SnapshotManifest, type SnapshotPart } from "./schema.ts";
import { isSupplement, readSupplement, type Supplement, withSupplements } from "./supplements.ts";
import { partReader } from "./verify-snapshot.ts";

const fitRoute = fitTo(Route);
const readAnyRoutes = partReader(Type.Object({ routes: Type.Array(Type.Unknown()) }));

/** What the next snapshot says of the deployments. */
export interface FittingRoutes {
  /** What gateways will read: the routes of today, and last good ones in the place of those that do not fit. */
  readonly routes: readonly Route[];
  /** Deployments of which the ledger may hear something new; where the last good route goes on there is nothing. */
  readonly served: readonly Served[];
  readonly refusals: readonly PartRefusal[];
}

/** Routes by their key, of the snapshot that gateways have now. */
export type LastGood = () => Promise<ReadonlyMap<string, Route>>;

/**
 * Holds each route against the schema that gateways read it by. One that does not fit is refused alone, and the last
 * good one of its endpoint goes on: revocations and the routes of others must not wait until it is mended.
 *
 * @param routes as the snapshot would say them, by endpoint id
 */
export async function keepFitting(
  served: readonly Served[],
  routes: ReadonlyMap<string, Route>,
  lastGood: LastGood,
): Promise<FittingRoutes> {
  const kept: { routes: Route[]; served: Served[]; refusals: PartRefusal[] } = {
    routes: [],
    served: [],
    refusals: [],
  };
  for (const one of served) {
    const route = one.kind === "route" ? routes.get(one.deployed.endpointId) : undefined;
    const misfit = route && findRouteMisfit(route);
    if (!route || !misfit) {
      kept.served.push(one);
      if (route) kept.routes.push(route);
      continue;
    }
    const before = (await lastGood()).get(keyOf(route));
    const goesOn = before && mayGoOn(before, route) ? underTermsOfToday(before, route) : undefined;
    const refusal = refusalOf(route, misfit, goesOn ? "last_good" : "nothing");
    kept.refusals.push(refusal);
    if (goesOn) kept.routes.push(goesOn);
    else kept.served.push({ kind: "stopped", deployed: one.deployed, stop: stopOf(refusal) });
  }
  return kept;
}

/** @throws PortolanError `serving.part_unfit`, naming the endpoint and the place in its route */
export function requireFittingRoute(route: Route): void {
  const misfit = findRouteMisfit(route);
  if (misfit) throw partUnfit(refusalOf(route, misfit, "last_good"));
}

/**
 * Each route is held alone against the schema of today: one that an older control published and gateways of today could
 * not read is left out, and keeps nobody else's back. A part whose bytes are no list of routes has none.
 *
 * @throws what the object store throws: an outage must not read as routes that are gone
 */
export async function publishedRoutes(
  objects: Pick<ObjectStore, "get">,
  manifest: SnapshotManifest,
): Promise<ReadonlyMap<string, Route>> {
  const routes: Route[] = [];
  const supplements: Supplement[] = [];
  for (const part of manifest.parts) {
    const digest = part.kind === "routes" ? parseDigest(part.digest) : undefined;
    if (!digest) continue;
    const bytes = await objects.get(digest);
    if (!isSupplement(part)) routes.push(...fittingIn(bytes, part));
    else {
      const read = readSupplement(bytes, part);
      if (read.kind === "part") supplements.push(read.value);
    }
  }
  return new Map(withSupplements(routes, supplements).map((route) => [keyOf(route), route]));
}

/** The routes of a part that fit, each by itself. Pure. */
function fittingIn(bytes: Uint8Array, part: SnapshotPart): Route[] {
  const read = readAnyRoutes(bytes, part);
  if (read.kind === "bad") return [];
  return read.value.routes.flatMap((route) => {
    const fit = fitRoute(route);
    return fit.kind === "fits" ? [fit.value] : [];
  });
}

function findRouteMisfit(route: Route): Misfit | undefined {
  const read = fitRoute(route);
  return read.kind === "misfit" ? read.misfit : undefined;
}

/**
 * Whether a last good route may stand in for one that does not fit: only within the borders of today, which are the
 * same places, and no server that the charter no longer lets be asked. Pure.
 */
export function mayGoOn(before: Route, now: Route): boolean {
  if (canonicalJson(before.placement) !== canonicalJson(now.placement)) return false;
  const allowed = new Set(versionsIn(now).map(({ digest }) => digest));
  return versionsIn(before).every(({ upstream, digest }) => !upstream || allowed.has(digest));
}

/** What is said of an endpoint today, whatever model serves there: by the charter in force, and by who announced its end. */
const terms = [
  "limits",
  "purposes",
  "durability",
  "nonFinite",
  "nonFiniteOutputs",
  "snapshotAge",
  "sunset",
  "retiring",
  "flags",
] as const satisfies readonly (keyof Route)[];

/**
 * A last good route under the terms of the charter in force: the purposes that were taken away, the log that has to be durable since today. A term
 * that is itself what does not fit stays as it was, and the route then still names the charter that it had. Pure.
 */
export function underTermsOfToday(before: Route, now: Route): Route {
  let route = before;
  let isWhole = true;
  for (const term of terms) {
    const taken = { ...route, [term]: now[term] };
    if (now[term] === undefined) delete taken[term];
    if (findRouteMisfit(taken)) isWhole = false;
    else route = taken;
  }
  // What else a charter says lies in parts of the route that belong to its model: only a route that follows all of it names it.
  const rest = (of: Route): string =>
    canonicalJson({ fallbacks: of.fallbacks, resilience: of.resilience, features: of.features });
  return isWhole && rest(route) === rest(now) ? { ...route, charter: now.charter } : route;
}

function refusalOf(route: Route, misfit: Misfit, instead: PartRefusal["instead"]): PartRefusal {
  const { environment, endpoint } = route;
  return { part: "routes", environment, endpoint, ...misfit, instead };
}

function stopOf(refusal: PartRefusal): Extract<Served, { kind: "stopped" }>["stop"] {
  return { code: "serving.part_unfit", detail: describeRefusal(refusal) };
}

function keyOf({ organisationId, environment, endpoint }: Route): string {
  return routeKey(organisationId, environment, endpoint);
}
