import type { CallContext } from "@portolan/kernel";
import type { ProfileLookup } from "../ports.ts";
import { versionsIn } from "./placed-parts.ts";
import type { Route } from "./schema.ts";

/** The routes with the reference profiles that their versions have by now. */
export async function withProfiles(
  profiles: ProfileLookup,
  call: CallContext,
  routes: readonly Route[],
): Promise<Route[]> {
  const found = await profiles.find(call, routes.flatMap(versionsIn));
  return routes.map((route) => {
    const names = new Set(versionsIn(route).map(({ name, version }) => `${name}/${version}`));
    const known = [...names].toSorted().flatMap((name) => found.get(name) ?? []);
    return known.length === 0 ? route : { ...route, profiles: known };
  });
}
