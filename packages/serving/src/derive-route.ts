import {
  assertPlacement,
  type CharterTerms,
  productionBlockers,
  type RateLimit,
  termsOf,
} from "@portolan/charter/policy";
import { type Place, PortolanError } from "@portolan/kernel";
import type { Backends } from "./backends/backend-schema.ts";
import { longestBatchDelayMs } from "./batching/batching-problems.ts";
import type { DeployRequest } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import type { ServedCharter, ServedUseCase } from "./ports.ts";
import { placementOf } from "./snapshot/placement-of.ts";
import type { FallbackStep, Resilience } from "./snapshot/resilience-schema.ts";
import type { Batching } from "./snapshot/runs-schema.ts";
import type {
  FeaturePlan,
  Limits,
  ModelReference,
  Route,
  ServedVersion,
  Variant,
} from "./snapshot/schema.ts";

/** Limits of an endpoint in dev without a charter: enough to try, too little to live on. */
const devLimits: Limits = { ratePerSecond: 50, burst: 50, timeoutMs: 1000, bodyBytes: 1_048_576 };
/** Text is written token by token: an answer of a second is a short one. */
const devTextTimeoutMs = 60_000;
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

export interface RouteFacts {
  readonly useCase: ServedUseCase;
  readonly charter: ServedCharter | undefined;
  readonly model: ModelReference;
  /** These three with the columns that their deployer asked for. */
  readonly previous: ServedVersion | null;
  readonly secondary: ServedVersion | null;
  readonly variants: readonly Variant[];
  /** Absent where the model runs in one place. */
  readonly backends?: Backends | undefined;
}

/** The route of a deployment under a charter: everything but the version comes from it. Pure. */
export function deriveRoute(ids: RouteIds, request: DeployRequest, facts: RouteFacts): Route {
  const { charter, useCase, model } = facts;
  const terms = charter ? termsOf(charter.document) : undefined;
  const fed = (plan: FeaturePlan | null) =>
    plan && {
      ...plan,
      views: plan.views.map((view) => stricter(view, terms)),
      maxAgeMs: freshness(plan.maxAgeMs, terms?.featureFreshnessMs),
    };
  const version = (one: ServedVersion | null) => one && { model: one.model, features: fed(one.features) };
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
      : { ...devLimits, ...(isText(model) ? { timeoutMs: devTextTimeoutMs } : {}) },
    purposes: [...(terms?.purposes ?? [])],
    durability: terms?.logDurability ?? "buffered",
    ...nonFinite(terms),
    placement: charter ? placementOf(charter.document) : null,
    fallbacks: terms ? terms.fallbacks.map((step) => stepFor(step, model)) : (request.fallbacks ?? []),
    resilience: terms ? resilienceFor(terms) : isText(model) ? devTextResilience : devResilience,
    variants: facts.variants.map((variant) => ({ ...variant, features: fed(variant.features) })),
    cache: request.cacheMebibytes === undefined ? null : { maxBytes: request.cacheMebibytes * 1_048_576 },
    ...(request.batching ? { batching: batchingFor(request.batching, terms) } : {}),
    ...(request.scaling ? { scaling: request.scaling } : {}),
    ...(facts.backends ? { backends: facts.backends } : {}),
    traffic: trafficOf(ids.endpointId, request),
    secondary: version(facts.secondary),
    features: fed(request.features ?? null),
    // Requests of one protocol are not read by a version of the other.
    previous: version(
      facts.previous && isText(facts.previous.model) === isText(model) ? facts.previous : null,
    ),
    snapshotAge: terms ? { ...terms.snapshotAge } : null,
  };
}

/** What the charter says of a view's missing values; where it leaves them to the deployment, that one's own word. */
function stricter(
  view: FeaturePlan["views"][number],
  terms: CharterTerms | undefined,
): FeaturePlan["views"][number] {
  const [name = ""] = view.name.split("@");
  const { views, otherwise } = terms?.missingFeatures ?? { views: {}, otherwise: "default" as const };
  const missing = views[name] ?? otherwise;
  return missing === "default" ? view : { ...view, missing };
}

/** Where the charter is silent the route has the bytes that it had before there was a choice. */
function nonFinite(terms: CharterTerms | undefined): Pick<Route, "nonFinite" | "nonFiniteOutputs"> {
  const { inputs, outputs } = terms?.nonFinite ?? { inputs: "refuse", outputs: "refuse" };
  return { nonFinite: inputs, ...(outputs === "refuse" ? {} : { nonFiniteOutputs: outputs }) };
}

/** Only what the charter states: where it is silent the route of today has the bytes of yesterday. */
function rateLimits(rate: RateLimit): Omit<Limits, "timeoutMs" | "bodyBytes"> {
  const { requestsPerSecond, burst, beyond, clientShare, tenantShare, weight, counting, tokens } = rate;
  return {
    ratePerSecond: requestsPerSecond,
    burst,
    ...(beyond === "reject" ? {} : { beyond }),
    ...(clientShare === undefined ? {} : { clientShare }),
    ...(tenantShare === undefined ? {} : { tenantShare }),
    ...(weight === undefined ? {} : { weight }),
    ...(counting === undefined ? {} : { counting }),
    ...(tokens ? { tokens: { perSecond: tokens.tokensPerSecond, burst: tokens.burst } } : {}),
  };
}

/** The charter's constant stands for every output. */
function stepFor(step: CharterTerms["fallbacks"][number], { signature }: ModelReference): FallbackStep {
  if (step.kind !== "constant") return { ...step };
  const outputs = Object.fromEntries(signature.outputs.map((output) => [output.name, step.value]));
  return { kind: "fixed", outputs };
}

/** What one server may be asked for an endpoint: the route's own bounds, for whoever asks beside gateways. Pure. */
export function askingBounds(charter: ServedCharter | undefined): {
  readonly timeoutMs: number;
  readonly mostAtOnce: number;
  readonly retryShare?: number;
} {
  if (!charter) return { timeoutMs: devLimits.timeoutMs, mostAtOnce: devResilience.maxInFlight };
  const { requestTimeoutMs, concurrencyLimit, faultTolerance } = termsOf(charter.document);
  return {
    timeoutMs: requestTimeoutMs,
    mostAtOnce: concurrencyLimit,
    retryShare: faultTolerance.retryShare,
  };
}

const devResilience: Resilience = { maxInFlight: 1000, slowMs: 500, targetWaitMs: 100 };
/** What counts in text is the time to its first token, and a long prompt takes seconds to read. */
const devTextResilience: Resilience = { ...devResilience, slowMs: 10_000 };

function isText({ upstream }: ModelReference): boolean {
  return upstream?.protocol === "openai";
}

/**
 * In flight at most what Little's law allows. An answer later than the p99 is a slow one; a wait of half the p95 leaves
 * the other half to the model.
 */
function resilienceFor({ concurrencyLimit, latencyMsP95, faultTolerance }: CharterTerms): Resilience {
  const { retryShare, breaker } = faultTolerance;
  const { slowMs, ...opens } = breaker;
  return {
    maxInFlight: concurrencyLimit,
    slowMs,
    targetWaitMs: latencyMsP95 / 2,
    retryShare,
    breaker: opens,
  };
}

/** A charter that is signed later may promise a shorter p95 than the deployment was judged by. */
function batchingFor({ maxDelayMs, preferredRows }: Batching, terms: CharterTerms | undefined): Batching {
  const longest = terms ? longestBatchDelayMs(terms.latencyMsP95) : maxDelayMs;
  return { maxDelayMs: Math.min(maxDelayMs, longest), preferredRows: [...preferredRows] };
}

function trafficOf(endpointId: string, { traffic }: DeployRequest): Route["traffic"] {
  if (!traffic) return null;
  const { rules = [], split, sticky = "principal" } = traffic;
  return { seed: endpointId, rules, split, sticky };
}

function freshness(asked: number | null, charter: number | undefined): number | null {
  if (charter === undefined) return asked;
  return asked === null ? charter : Math.min(asked, charter);
}
