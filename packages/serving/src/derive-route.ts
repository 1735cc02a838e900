import { assertPlacement, productionBlockers, type RateLimit, termsOf } from "@portolan/charter/policy";
import { type Place, PortolanError } from "@portolan/kernel";
import type { DeployRequest } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import type { ServedCharter, ServedUseCase } from "./ports.ts";
import { placementOf } from "./snapshot/placement-of.ts";
import type { FallbackRule, FeaturePlan, Limits, ModelReference, Route } from "./snapshot/schema.ts";

/** Limits of an endpoint in dev without a charter: enough to try, too little to live on. */
const devLimits: Limits = { ratePerSecond: 50, burst: 50, timeoutMs: 1000, bodyBytes: 1_048_576 };
const bodyBytes = 4 * 1_048_576;

/**
 * Whether a charter lets an endpoint be served. Asked at each deployment and for each snapshot, so that a charter
 * signed later stops what it forbids. Pure.
 *
 * @throws PortolanError `serving.charter_required`, `serving.charter_blocks`, `charter.placement_refused`
 */
export function requireServable(
  name: string,
  request: Pick<DeployRequest, "environment" | "features">,
  charter: ServedCharter | undefined,
  location: Place,
): void {
  const { environment } = request;
  if (!charter) {
    if (environment === "dev") return;
    throw new PortolanError<ServingErrorCode>("serving.charter_required", {
      detail: `No charter is in force for this use case, and ${environment} serves nothing without one.`,
      mend: "Write and sign a charter, or deploy to dev.",
    });
  }
  requireFeatureTime(request, termsOf(charter.document));
  // The predictions' record is kept here, wherever the gateway that answers stands.
  const store = { kind: "store", name: `of ${name}'s predictions`, ...location, environment } as const;
  assertPlacement(charter.document, store);
  const blockers = environment === "production" ? productionBlockers(charter.document) : [];
  if (blockers.length > 0) {
    throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
      detail: `The charter demands ${blockers.length} control(s) that nothing enforces yet.`,
      mend: "Deploy to staging, or have the charter changed and signed again.",
      violations: blockers.map((blocker) => ({ detail: blocker.reason })),
    });
  }
}

/** A caller that states T also chooses which values count as fresh: only the charter's signers may allow that. */
function requireFeatureTime(
  { environment, features }: Pick<DeployRequest, "environment" | "features">,
  terms: ReturnType<typeof termsOf>,
): void {
  const takesIt = environment !== "dev" && features?.eventTime === "request";
  if (!takesIt || terms.featureFreshnessMs === undefined || terms.featureTime === "stated") return;
  throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
    detail:
      "The charter bounds the age of features at the request's arrival, and callers would state another instant.",
    mend: "Leave `features.eventTime` out, or have the charter say `featureTime: stated` and signed again.",
  });
}

export interface RouteIds {
  readonly organisationId: string;
  readonly endpointId: string;
  readonly deploymentId: string;
  readonly name: string;
}

/** A model version with the columns that feed it, as its deployer asked for them. */
export interface DeployedModel {
  readonly model: ModelReference;
  readonly features: FeaturePlan | null;
}

export interface RouteFacts {
  readonly useCase: ServedUseCase;
  readonly charter: ServedCharter | undefined;
  readonly model: ModelReference;
  readonly previous: DeployedModel | null;
}

/** The route of a deployment under a charter: everything but the version comes from it. Pure. */
export function deriveRoute(ids: RouteIds, request: DeployRequest, facts: RouteFacts): Route {
  const { charter, useCase, model, previous } = facts;
  const terms = charter ? termsOf(charter.document) : undefined;
  const fed = (plan: FeaturePlan | null) =>
    plan && { ...plan, maxAgeMs: freshness(plan.maxAgeMs, terms?.featureFreshnessMs) };
  return {
    endpointId: ids.endpointId,
    endpoint: ids.name,
    deploymentId: ids.deploymentId,
    organisationId: ids.organisationId,
    businessUnitId: useCase.businessUnitId,
    teamId: useCase.teamId,
    useCaseId: useCase.useCaseId,
    environment: request.environment,
    variant: "champion",
    model,
    charter: charter ? { id: charter.id, version: charter.version, digest: charter.digest } : null,
    limits: terms
      ? {
          ...rateLimits(terms.rateLimit),
          timeoutMs: terms.requestTimeoutMs,
          bodyBytes,
        }
      : devLimits,
    purposes: [...(terms?.purposes ?? [])],
    durability: terms?.logDurability ?? "buffered",
    nonFinite: "refuse",
    placement: charter ? placementOf(charter.document) : null,
    fallback: terms ? charterFallback(terms.fallback, model) : (request.fallback ?? { kind: "none" }),
    features: fed(request.features ?? null),
    previous: previous && { model: previous.model, features: fed(previous.features) },
    snapshotAge: terms ? { ...terms.snapshotAge } : null,
  };
}

/** Only what the charter states: where it is silent the route of today has the bytes of yesterday. */
function rateLimits(rate: RateLimit): Omit<Limits, "timeoutMs" | "bodyBytes"> {
  const { requestsPerSecond, burst, beyond, clientShare, tenantShare, weight, counting } = rate;
  return {
    ratePerSecond: requestsPerSecond,
    burst,
    ...(beyond === "reject" ? {} : { beyond }),
    ...(clientShare === undefined ? {} : { clientShare }),
    ...(tenantShare === undefined ? {} : { tenantShare }),
    ...(weight === undefined ? {} : { weight }),
    ...(counting === undefined ? {} : { counting }),
  };
}

/** The charter's constant stands for every output; a previous version needs the rollout package and is `none` here. */
function charterFallback(
  fallback: { readonly kind: string; readonly value?: number },
  model: ModelReference,
): FallbackRule {
  if (fallback.kind !== "constant" || fallback.value === undefined) return { kind: "none" };
  const { value } = fallback;
  return {
    kind: "fixed",
    outputs: Object.fromEntries(model.signature.outputs.map((output) => [output.name, value])),
  };
}

function freshness(asked: number | null, charter: number | undefined): number | null {
  if (charter === undefined) return asked;
  return asked === null ? charter : Math.min(asked, charter);
}
