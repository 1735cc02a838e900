import {
  type CharterDeps,
  type InForceCharter,
  inForceCharter,
  requireInForceCharter,
  termsOf,
} from "@portolan/charter";
import { publicationsWithin } from "@portolan/data";
import { findHomeOrganisation } from "@portolan/identity";
import { type CallContext, type Environment, PortolanError } from "@portolan/kernel";
import type { IncidentDeps, ObjectiveDeps, TimelineDeps, WatchedObjectives } from "@portolan/monitoring";
import type { ObjectiveTerms } from "@portolan/monitoring/contract";
import { measuredFromOutcomes } from "@portolan/monitoring/policy";
import { completedWithin } from "@portolan/retraining";
import { findServedRoute } from "@portolan/serving";
import type { Route } from "@portolan/serving/contract";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import type { ServingWiring } from "./serving.ts";

/** What charters want of endpoints as they are served. */
export function wireObjectives(
  { work, clock }: Foundation,
  identity: IdentityWiring,
  charter: CharterDeps,
  { serving }: ServingWiring,
): ObjectiveDeps {
  return {
    work,
    clock,
    retrainings: { completedWithin },
    objectives: {
      find: async (call, environment, endpoint) => {
        const route = await readableRoute(identity, serving, call, { environment, endpoint });
        if (!route)
          throw new PortolanError("kernel.not_found", { detail: `there is no endpoint ${endpoint}` });
        const found = await requireInForceCharter(charter, call, { useCaseId: route.useCaseId });
        return objectiveTerms(route, found);
      },
    },
  };
}

/** Incidents, whose use cases are those of the endpoints that they are about. */
export function wireIncidents(
  { work, clock }: Foundation,
  identity: IdentityWiring,
  { serving }: ServingWiring,
): IncidentDeps {
  return {
    work,
    clock,
    authorizer: identity.authorizer,
    endpoints: {
      useCaseOf: async (call, environment, endpoint) =>
        (await readableRoute(identity, serving, call, { environment, endpoint }))?.useCaseId ?? null,
    },
  };
}

/** Of a product that comes by the minute, those of three days and more. */
const mostPublications = 10_000;

/** What is recorded of endpoints over time. What is served no more has a timeline for whoever may read the endpoints of all use cases. */
export function wireTimeline(
  { work, clock, objects }: Foundation,
  identity: IdentityWiring,
  { serving }: ServingWiring,
): TimelineDeps {
  const { authorizer } = identity;
  return {
    work,
    clock,
    authorizer,
    objects,
    products: {
      published: async (call, { environment, endpoint, from, to }) => {
        const route = await readableRoute(identity, serving, call, { environment, endpoint });
        const { organisationId } = call.actor;
        const useCaseId = route?.useCaseId;
        if (useCaseId === undefined) return [];
        const dataset = { type: "Dataset", organisationId, environment, useCaseId };
        if (!(await authorizer.decide(call, "data:read_dataset", dataset)).allowed) return [];
        const of = { organisationId, environment, useCaseId, from, to };
        return work.read(call, (sql) => publicationsWithin(sql, of, mostPublications));
      },
    },
    machines: {
      maySee: async (call) => (await work.read(call, findHomeOrganisation))?.id === call.actor.organisationId,
    },
    endpoints: {
      require: async (call, environment, endpoint) => {
        await readableRoute(identity, serving, call, { environment, endpoint });
      },
    },
  };
}

/**
 * The route in force at an endpoint that the caller may read; undefined where there is none, and the caller may read them all.
 *
 * @throws PortolanError what `Authorizer.require` throws
 */
async function readableRoute(
  { authorizer }: Pick<IdentityWiring, "authorizer">,
  serving: ServingWiring["serving"],
  call: CallContext,
  { environment, endpoint }: { readonly environment: Environment; readonly endpoint: string },
): Promise<Route | undefined> {
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
  if (!route) await authorizer.require(call, "serving:read", resource());
  return route;
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
  const { organisationId: organisation, environment, endpoint } = route;
  return {
    organisation,
    environment,
    endpoint,
    availability: terms.availability,
    latencyMsP95: terms.latencyMsP95,
    readsFeatures: terms.featureFreshnessMs !== undefined && (route.features?.views.length ?? 0) > 0,
    hasFallback: terms.fallbacks.length > 0,
    hasOutcomes: measuredFromOutcomes(terms.accuracy.metric),
  };
}
