import { type CallContext, environments } from "@portolan/kernel";
import type { AttestationLookup } from "../ports.ts";
import type { SignedStatement } from "./model-schema.ts";
import { mapVersions, versionsIn } from "./placed-parts.ts";
import type { Route } from "./schema.ts";

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
