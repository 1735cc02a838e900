import type { IncomingHttpHeaders } from "node:http";
import { environments } from "@portolan/kernel";
import { routeKey } from "@portolan/serving/contract";
import { fault } from "../http/answers.ts";
import { findRoute } from "../infer/admit.ts";
import { type Authenticator, type Caller, type CredentialSource, mayPredict } from "../infer/authenticate.ts";
import { type ActiveRoute, type ServingState, versionNamed } from "../snapshot/serving-state.ts";

/** Who asks about models, by whichever protocol. */
export interface Asking {
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  readonly connection?: object;
  readonly certificate?: CredentialSource["certificate"];
  /** Noted once the caller is known, for the record of a refusal. */
  caller?: Caller;
}

export interface VisibleModelsDeps {
  readonly authenticator: Authenticator;
  readonly snapshots: { readonly state: ServingState | undefined };
}

/**
 * The model that the caller means: the version that it names, else the route's own.
 * @throws PortolanError `serving.unauthenticated`, or `serving.endpoint_not_found` for what is missing or not granted
 */
export async function visibleModel(
  deps: VisibleModelsDeps,
  asking: Asking,
  target: { readonly model: string; readonly version?: string },
): Promise<ActiveRoute> {
  const { state, caller } = await identify(deps, asking);
  const active = findRoute(state, caller, { ...target, headers: asking.headers });
  return (target.version === undefined ? undefined : versionNamed(active, target.version)) ?? active;
}

/** Every model that the caller may use; one entry per name, as a request without an environment would find it. */
export async function visibleModels(deps: VisibleModelsDeps, asking: Asking): Promise<ActiveRoute[]> {
  const { state, caller } = await identify(deps, asking);
  const asked = asking.headers["x-portolan-environment"];
  const found = new Map<string, ActiveRoute>();
  for (const environment of [...environments].reverse()) {
    if (asked !== undefined && asked !== environment) continue;
    for (const active of state.routes.values()) {
      const { route } = active;
      if (route.environment !== environment || found.has(route.endpoint)) continue;
      if (!mayPredict(state, caller, environment, route.endpoint)) continue;
      if (state.routes.get(routeKey(route.organisationId, environment, route.endpoint)) === active)
        found.set(route.endpoint, active);
    }
  }
  return [...found.values()].sort((a, b) => (a.route.endpoint < b.route.endpoint ? -1 : 1));
}

async function identify(
  deps: VisibleModelsDeps,
  asking: Asking,
): Promise<{ readonly state: ServingState; readonly caller: Caller }> {
  const { state } = deps.snapshots;
  if (!state)
    throw fault("serving.snapshot_expired", "There is no route snapshot yet.", "Try again in a moment.");
  const known = await deps.authenticator.authenticate(asking.headers.authorization, state, asking);
  if (known.kind === "unknown")
    throw fault(
      "serving.unauthenticated",
      "The request carries no credential that counts here.",
      "Send `Authorization: Bearer` with a valid API key or access token.",
    );
  asking.caller = known.caller;
  return { state, caller: known.caller };
}
