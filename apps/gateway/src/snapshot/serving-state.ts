import type { GatewayApiKey, GatewayGrants, GatewayPrincipal } from "@portolan/identity/contract";
import type { Environment } from "@portolan/kernel";
import type { ModelSignature } from "@portolan/onnx-format";
import type { PredictionContext } from "@portolan/predictions/contract";
import { type Route, routeKey, type SnapshotManifest } from "@portolan/serving/contract";
import { type LoadedModel, requestSignatureOf } from "@portolan/serving/policy";

/** A route as requests use it: everything that can be computed once is. */
export interface ActiveRoute {
  readonly route: Route;
  readonly requestSignature: ModelSignature;
  readonly context: PredictionContext;
  readonly fallbackContext: PredictionContext;
  readonly model: LoadedModel | undefined;
  /** Why the route's own model does not serve. */
  readonly problem?: RouteProblem;
  /** True while the route's previous model answers in its place. */
  readonly isStandIn: boolean;
}

export interface RouteProblem {
  readonly code: string;
  readonly detail: string;
}

/** One environment's grants, indexed for the hot path. */
export interface GrantsIndex {
  readonly grants: GatewayGrants;
  readonly apiKeys: ReadonlyMap<string, GatewayApiKey>;
  readonly principals: ReadonlyMap<string, GatewayPrincipal>;
  readonly principalsBySubject: ReadonlyMap<string, GatewayPrincipal>;
  readonly revokedTokens: ReadonlySet<string>;
  /** Endpoint → principals that may call it. */
  readonly allowed: ReadonlyMap<string, ReadonlySet<string>>;
  /** Endpoint → those of them that may name somebody whom they act for. */
  readonly actors: ReadonlyMap<string, ReadonlySet<string>>;
}

/** All that one accepted snapshot says, replaced as a whole. */
export interface ServingState {
  readonly manifest: SnapshotManifest;
  readonly routes: ReadonlyMap<string, ActiveRoute>;
  readonly grants: ReadonlyMap<Environment, GrantsIndex>;
  /** Age of the last snapshot that was applied as a whole. */
  readonly ageMs: () => number;
}

export function indexGrants(grants: GatewayGrants): GrantsIndex {
  return {
    grants,
    apiKeys: new Map(grants.apiKeys.map((key) => [key.id, key])),
    principals: new Map(grants.principals.map((principal) => [principal.id, principal])),
    principalsBySubject: new Map(
      grants.principals.flatMap((principal) =>
        principal.subjects.map(({ issuer, subject }) => [subjectKey(issuer, subject), principal] as const),
      ),
    ),
    revokedTokens: new Set(grants.revokedTokens),
    allowed: new Map(grants.endpoints.map((entry) => [entry.endpoint, new Set(entry.principals)])),
    actors: new Map(grants.endpoints.map((entry) => [entry.endpoint, new Set(entry.actors)])),
  };
}

export function subjectKey(issuer: string, subject: string): string {
  return `${issuer}\u0000${subject}`;
}

export function keyOf(route: Route): string {
  return routeKey(route.organisationId, route.environment, route.endpoint);
}

export function activate(
  route: Route,
  snapshotVersion: number,
  model: LoadedModel | undefined,
  problem?: ActiveRoute["problem"],
): ActiveRoute {
  const context: PredictionContext = {
    organisationId: route.organisationId,
    useCaseId: route.useCaseId,
    endpoint: route.endpoint,
    environment: route.environment,
    model: { name: route.model.name, version: String(route.model.version), digest: route.model.digest },
    variant: route.variant,
    ...(route.charter ? { charter: { version: route.charter.version, digest: route.charter.digest } } : {}),
    snapshotVersion,
    costTags: { businessUnit: route.businessUnitId, ...(route.teamId ? { team: route.teamId } : {}) },
  };
  return {
    route,
    requestSignature: requestSignatureOf(route.model.signature, route.features),
    context,
    fallbackContext: { ...context, variant: "fallback" },
    model,
    isStandIn: false,
    ...(problem ? { problem } : {}),
  };
}

/** The route with the previous model that its snapshot names: everything else is the new one's. */
export function standInOf(
  route: Route,
  snapshotVersion: number,
  model: LoadedModel,
  problem: RouteProblem,
): ActiveRoute {
  const { previous } = route;
  const own = previous ? { ...route, model: previous.model, features: previous.features } : route;
  return { ...activate(own, snapshotVersion, model, problem), isStandIn: true };
}

/** Context of refusals that reach no route. */
export function nowhere(
  organisationId: string,
  environment: Environment,
  snapshotVersion: number,
): PredictionContext {
  return {
    organisationId,
    useCaseId: "-",
    endpoint: "-",
    environment,
    variant: "champion",
    snapshotVersion,
    costTags: {},
  };
}
