import { type Static, Type } from "@portolan/typebox";
import { versionsIn } from "./placed-parts.ts";
import { MeasuredMemory, type Route, type SnapshotPart } from "./schema.ts";
import { type PartVerdict, partReader } from "./verify-snapshot.ts";

/**
 * What was measured of the memory of models, for the gateways of one placement. It lies beside the routes and not in them: gateways
 * that are older refuse a route with a member that they do not know, and pass over a part of routes that names no environment.
 */
export const MemoryPart = Type.Object(
  { memory: Type.Array(MeasuredMemory) },
  { additionalProperties: false },
);
export type MemoryPart = Static<typeof MemoryPart>;

export const readMemoryPart: (bytes: Uint8Array, part: SnapshotPart) => PartVerdict<MemoryPart> =
  partReader(MemoryPart);

/** Pure. */
export function isMemoryPart({ kind, environment }: Pick<SnapshotPart, "kind" | "environment">): boolean {
  return kind === "routes" && environment === undefined;
}

/** What these routes say, once for each model, in a fixed order. Pure. */
export function memoryPartOf(routes: readonly Pick<Route, "memory">[]): MemoryPart {
  const byDigest = new Map(routes.flatMap(({ memory = [] }) => memory.map((one) => [one.digest, one])));
  return { memory: [...byDigest.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) };
}

/** The routes as they travel to gateways, which find it in a part of its own. Pure. */
export function withoutMemory(route: Route): Route {
  const travelling = { ...route };
  delete travelling.memory;
  return travelling;
}

/**
 * The routes, each with what is known of its own versions; one of which nothing is known stays as it is. Pure.
 *
 * @param known of those that speak of one model the last counts
 */
export function withMemory(routes: readonly Route[], known: readonly MeasuredMemory[]): Route[] {
  const measured = memoryPartOf([{ memory: [...known] }]).memory;
  return routes.map((route) => {
    const digests = new Set(versionsIn(route).map(({ digest }) => digest));
    const memory = measured.filter(({ digest }) => digests.has(digest));
    return memory.length === 0 ? route : { ...route, memory };
  });
}
