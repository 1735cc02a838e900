import type { CallContext } from "@portolan/kernel";
import type { FlagLookup } from "../ports.ts";
import type { Route } from "../snapshot/schema.ts";

/** The routes with the flags in force at their endpoints. */
export async function withFlags(
  { flags }: { readonly flags: FlagLookup },
  call: CallContext,
  routes: readonly Route[],
): Promise<Route[]> {
  if (routes.length === 0) return [];
  const found = await flags.inForce(call);
  return routes.map((route) => {
    const own = found.get(`${route.environment}/${route.endpoint}`) ?? [];
    return own.length === 0 ? route : { ...route, flags: [...own] };
  });
}
