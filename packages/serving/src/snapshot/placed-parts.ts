import { allowsPlace, canonicalJson, type Environment, type Place } from "@portolan/kernel";
import type { ModelReference, Placement, Route, ServedVersion, SnapshotManifest } from "./schema.ts";

/** Routes that the same places may serve: one part of the snapshot, handed to gateways in those places alone. */
export interface PlacedRoutes {
  readonly placement: Placement | null;
  readonly routes: readonly Route[];
}

/** In a fixed order, so that the same routes give the same parts. Routes without a charter come first, always. Pure. */
export function groupByPlacement(routes: readonly Route[]): PlacedRoutes[] {
  const groups = new Map<string, { placement: Placement | null; routes: Route[] }>([
    ["", { placement: null, routes: [] }],
  ]);
  for (const route of routes) {
    const key = route.placement === null ? "" : canonicalJson(route.placement);
    const group = groups.get(key) ?? { placement: route.placement, routes: [] };
    group.routes.push(route);
    groups.set(key, group);
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** A digest that a snapshot refers to, and where its bytes may go: models travel as their routes do. */
export interface Fetchable {
  readonly digest: string;
  readonly placement: Placement | null;
  /** Null: what no environment keeps to itself, such as keys. */
  readonly environment: Environment | null;
}

export function fetchableOf(manifest: SnapshotManifest, routes: readonly Route[]): Fetchable[] {
  return [
    ...manifest.parts.map(({ digest, placement = null, environment = null }) => ({
      digest,
      placement,
      environment,
    })),
    ...routes.flatMap((route) =>
      [
        ...versionsIn(route).flatMap((one) => [
          one.digest,
          one.bundle.digest,
          ...promptOf(one),
          ...(one.attestations ?? []).map(({ digest }) => digest),
        ]),
        ...(route.profiles ?? []).map((profile) => profile.digest),
      ].map((digest) => ({ digest, placement: route.placement, environment: route.environment })),
    ),
  ];
}

const promptOf = ({ prompt }: ModelReference): string[] => (prompt === undefined ? [] : [prompt]);

/** Every model version that a route names. */
export function versionsIn({ model, previous, secondary, variants, backends }: Route): ModelReference[] {
  const elsewhere = backends?.order.filter((one) => one.model.digest !== model.digest) ?? [];
  return [{ model }, previous, secondary, ...variants, ...elsewhere].flatMap((version) =>
    version ? [version.model] : [],
  );
}

/** The route with another description of each version that it names. Pure. */
export function mapVersions(route: Route, change: (model: ModelReference) => ModelReference): Route {
  const changed = <V extends ServedVersion>(version: V): V => ({ ...version, model: change(version.model) });
  const { backends, previous, secondary, variants } = route;
  return {
    ...route,
    model: change(route.model),
    previous: previous && changed(previous),
    secondary: secondary && changed(secondary),
    variants: variants.map(changed),
    ...(backends
      ? {
          backends: {
            ...backends,
            order: backends.order.map((one) => ({ ...one, model: change(one.model) })),
          },
        }
      : {}),
  };
}

export function mayServe(placement: Placement | null | undefined, place: Place): boolean {
  return placement === null || placement === undefined || allowsPlace(placement, place);
}

/** Whether a gateway in that place, which serves these environments, may have the bytes. Pure. */
export function mayFetch(
  fetchable: readonly Fetchable[],
  digest: string,
  place: Place,
  served: readonly Environment[],
): boolean {
  return fetchable.some(
    (one) =>
      one.digest === digest &&
      mayServe(one.placement, place) &&
      (one.environment === null || served.includes(one.environment)),
  );
}

/** A route of a snapshot by its name, e.g. `production/delays`, and where it may be served. */
export interface PlacedRoute {
  readonly route: string;
  readonly placement: Placement;
}

export function placedRoutes(routes: readonly Route[]): PlacedRoute[] {
  return routes.flatMap(({ environment, endpoint, placement }) =>
    placement === null ? [] : [{ route: `${environment}/${endpoint}`, placement }],
  );
}

/** What a gateway in that place is not given, sorted. Pure. */
export function excludedRoutes(placed: readonly PlacedRoute[], place: Place): string[] {
  return placed.flatMap(({ route, placement }) => (mayServe(placement, place) ? [] : [route])).toSorted();
}
