import {
  type CharterDeps,
  type InForceCharter,
  inForceCharter,
  requireInForceCharter,
  termsOf,
} from "@portolan/charter";
import { PortolanError } from "@portolan/kernel";
import type { ObjectiveDeps, WatchedObjectives } from "@portolan/monitoring";
import type { ObjectiveTerms } from "@portolan/monitoring/contract";
import { findServedRoute } from "@portolan/serving";
import type { Route } from "@portolan/serving/contract";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import type { ServingWiring } from "./serving.ts";

/** What charters want of endpoints as they are served. */
export function wireObjectives(
  { work, clock }: Foundation,
  { authorizer }: IdentityWiring,
  charter: CharterDeps,
  { serving }: ServingWiring,
): ObjectiveDeps {
  return {
    work,
    clock,
    objectives: {
      find: async (call, environment, endpoint) => {
        const { organisationId } = call.actor;
        const resource = (useCaseId?: string) => ({
          type: "Endpoint",
          id: endpoint,
          organisationId,
          environment,
          ...(useCaseId === undefined ? {} : { useCaseId }),
        });
        const allow = (route: Route) => authorizer.require(call, "serving:read", resource(route.useCaseId));
        const route = await findServedRoute(serving, call, environment, endpoint, allow);
        if (!route) {
          await authorizer.require(call, "serving:read", resource());
          throw new PortolanError("kernel.not_found", { detail: `there is no endpoint ${endpoint}` });
        }
        const found = await requireInForceCharter(charter, call, { useCaseId: route.useCaseId });
        return objectiveTerms(route, found);
      },
    },
  };
}

/** The same for the process itself, which nobody has to allow. */
export function watchedObjectives(
  charter: CharterDeps,
  { serving }: Pick<ServingWiring, "serving">,
): WatchedObjectives {
  return {
    find: async (call, environment, endpoint) => {
      const route = await findServedRoute(serving, call, environment, endpoint, () => Promise.resolve());
      const found = route && (await inForceCharter(charter, call, { useCaseId: route.useCaseId }));
      return route && found && { ...objectiveTerms(route, found), useCaseId: route.useCaseId };
    },
  };
}

function objectiveTerms(route: Route, { charter }: Pick<InForceCharter, "charter">): ObjectiveTerms {
  const terms = termsOf(charter);
  const { environment, endpoint } = route;
  return {
    environment,
    endpoint,
    availability: terms.availability,
    latencyMsP95: terms.latencyMsP95,
    readsFeatures: terms.featureFreshnessMs !== undefined && (route.features?.views.length ?? 0) > 0,
    hasFallback: terms.fallbacks.length > 0,
  };
}
