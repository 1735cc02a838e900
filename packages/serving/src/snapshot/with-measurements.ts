import type { CallContext } from "@portolan/kernel";
import type { MemoryLookup, ProfileLookup } from "../ports.ts";
import { versionsIn } from "./placed-parts.ts";
import type { MeasuredMemory, Route } from "./schema.ts";

/** The routes with what is known of their versions by now: reference profiles, and what they take in memory. */
export async function withMeasurements(
  { profiles, memory }: { readonly profiles: ProfileLookup; readonly memory: MemoryLookup },
  call: CallContext,
  routes: readonly Route[],
): Promise<Route[]> {
  const versions = routes.flatMap(versionsIn);
  const [found, loadedBytes] = [await profiles.find(call, versions), await memory.find(call, versions)];
  return routes.map((route) => {
    const names = new Set(versionsIn(route).map(({ name, version }) => `${name}/${version}`));
    const known = [...names].toSorted().flatMap((name) => found.get(name) ?? []);
    const measured = measuredMemory(route, loadedBytes);
    return {
      ...route,
      ...(known.length === 0 ? {} : { profiles: known }),
      ...(measured.length === 0 ? {} : { memory: measured }),
    };
  });
}

/** Once for each model that runs here; one that another server runs takes no memory of a gateway. */
function measuredMemory(route: Route, loadedBytes: ReadonlyMap<string, number>): MeasuredMemory[] {
  const byDigest = new Map<string, number>();
  for (const { name, version, digest, upstream } of versionsIn(route)) {
    const bytes = loadedBytes.get(`${name}/${version}`);
    if (bytes !== undefined && !upstream) byDigest.set(digest, bytes);
  }
  return [...byDigest]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([digest, bytes]) => ({ digest, loadedBytes: bytes }));
}
