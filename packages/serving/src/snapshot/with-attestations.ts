import { type CallContext, environments } from "@portolan/kernel";
import type { AttestationLookup } from "../ports.ts";
import type { SignedStatement } from "./model-schema.ts";
import { versionsIn } from "./placed-parts.ts";
import type { ModelReference, Route, ServedVersion } from "./schema.ts";

/** The routes with the attestations by which gateways see that each version may be where it is. In dev nothing is judged. */
export async function withAttestations(
  { attestations }: { readonly attestations: AttestationLookup },
  call: CallContext,
  routes: readonly Route[],
): Promise<Route[]> {
  const found = new Map<string, readonly SignedStatement[]>();
  for (const environment of environments) {
    const versions = routes.filter((route) => route.environment === environment).flatMap(versionsIn);
    if (environment === "dev" || versions.length === 0) continue;
    for (const [version, statements] of await attestations.find(call, environment, versions))
      found.set(`${environment} ${version}`, statements);
  }
  return routes.map((route) =>
    mapVersions(route, (model) => {
      const statements = found.get(`${route.environment} ${model.name}/${model.version}`) ?? [];
      return statements.length === 0 ? model : { ...model, attestations: [...statements] };
    }),
  );
}

/** The route with another description of each version that it names. */
function mapVersions(route: Route, change: (model: ModelReference) => ModelReference): Route {
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
