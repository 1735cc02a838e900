import { type CallContext, type Environment, PortolanError, type UnitOfWork } from "@portolan/kernel";
import type { ServingErrorCode } from "./errors.ts";
import { type ServedDeps, servedRoutes } from "./served-routes.ts";
import type { Route } from "./snapshot/schema.ts";
import { listDeployed } from "./store.ts";

/**
 * The route of an endpoint as the charter in force makes it; `undefined` when there is none of that name.
 *
 * @param allow asked about the endpoint before anything of it is told
 * @throws PortolanError what `allow` throws, and `serving.charter_blocks` when the charter or somebody's halt stops it
 */
export async function findServedRoute(
  deps: ServedDeps & { readonly work: UnitOfWork },
  call: CallContext,
  environment: Environment,
  name: string,
  allow: (route: Route) => Promise<void>,
): Promise<Route | undefined> {
  const { organisationId } = call.actor;
  const deployed = await deps.work.read(call, (sql) => listDeployed(sql, organisationId));
  const own = deployed.find((one) => one.name === name && one.environment === environment);
  if (!own) return undefined;
  await allow(own.route);
  const [served] = await servedRoutes(deps, call, [own]);
  if (served?.kind !== "stopped") return served?.route;
  throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
    detail: `${name} is stopped: ${served.stop.detail}`,
    mend: "See portolan endpoint list.",
  });
}
