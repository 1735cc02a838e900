import { type CharterDeps, requireInForceCharter, termsOf } from "@portolan/charter";
import { PortolanError } from "@portolan/kernel";
import type { ObjectiveDeps } from "@portolan/monitoring";
import { findServedRoute } from "@portolan/serving";
import type { Route } from "@portolan/serving/contract";
import type { IdentityWiring } from "./identity.ts";
import type { ServingWiring } from "./serving.ts";

/** What charters want of endpoints as they are served. */
export function wireObjectives(
  { authorizer }: IdentityWiring,
  charter: CharterDeps,
  { serving }: ServingWiring,
): ObjectiveDeps {
  return {
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
        const terms = termsOf(found.charter);
        return {
          environment,
          endpoint,
          availability: terms.availability,
          latencyMsP95: terms.latencyMsP95,
          readsFeatures: terms.featureFreshnessMs !== undefined && (route.features?.views.length ?? 0) > 0,
          hasFallback: terms.fallbacks.length > 0,
        };
      },
    },
  };
}
