import { type CallContext, type Environment, PortolanError, type UnitOfWork } from "@portolan/kernel";
import type { Stop } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import { displacedStop, isPeoplesStop, peoplesStop, type ServedDeps, servedRoutes } from "./served-routes.ts";
import type { Route } from "./snapshot/schema.ts";
import { listDeployed } from "./store.ts";

/**
 * The route of an endpoint as the charter in force makes it; `undefined` when there is none of that name.
 *
 * @param allow asked about the endpoint before anything of it is told
 * @throws PortolanError what `allow` throws, `serving.charter_blocks` when the charter stops it, and `serving.not_served` when a halt or an announced end does
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
  throw isPeoplesStop(served.stop)
    ? notServed(name, served.stop)
    : new PortolanError<ServingErrorCode>("serving.charter_blocks", {
        detail: `${name} is stopped: ${served.stop.detail}`,
        mend: "See portolan endpoint list.",
      });
}

/**
 * For work with an endpoint's own version: nothing, while nobody halted the endpoint, no announced end has come, and no alert has its fallback chain
 * answer in that version's place.
 *
 * @throws PortolanError `serving.not_served`
 */
export async function requireNotStopped(
  deps: Pick<ServedDeps, "clock"> & { readonly work: UnitOfWork },
  call: CallContext,
  environment: Environment,
  name: string,
): Promise<void> {
  const { organisationId } = call.actor;
  const deployed = await deps.work.read(call, (sql) => listDeployed(sql, organisationId));
  const own = deployed.find((one) => one.name === name && one.environment === environment);
  const stop = own && (peoplesStop(own, deps.clock.now()) ?? displacedStop(own));
  if (stop) throw notServed(name, stop);
}

function notServed(name: string, { detail }: Stop): PortolanError<ServingErrorCode> {
  return new PortolanError("serving.not_served", {
    detail: `${name} is ${detail}`,
    mend: "Whoever may let it go on does so with: portolan endpoint resume NAME --reason …",
  });
}
