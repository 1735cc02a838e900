import { assertPlacement, productionBlockers, termsOf } from "@portolan/charter/policy";
import {
  type Authorizer,
  type CallContext,
  type Clock,
  digestJson,
  isPortolanError,
  newId,
  type Place,
  PortolanError,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DeployRequest } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import { findPlanProblems } from "./feature-plan.ts";
import type {
  CharterInForce,
  DeployableModel,
  ModelLookup,
  ServedCharter,
  ServedUseCase,
  UseCaseLookup,
} from "./ports.ts";
import { placementOf } from "./snapshot/placement-of.ts";
import type { FallbackRule, Limits, Route } from "./snapshot/schema.ts";
import { findEndpoint, saveDeployment } from "./store.ts";

export interface DeployDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly useCases: UseCaseLookup;
  readonly charters: CharterInForce;
  readonly models: ModelLookup;
  /** Where this installation keeps what gateways deliver; each gateway declares its own place. */
  readonly location: Place;
}

/** Intent that publishes an organisation's next snapshot; idempotent. */
export const publishIntent = "serving.publish_snapshot";

/** Limits of an endpoint in dev without a charter: enough to try, too little to live on. */
const devLimits: Limits = { ratePerSecond: 50, burst: 50, timeoutMs: 1000, bodyBytes: 1_048_576 };
const bodyBytes = 4 * 1_048_576;

/**
 * Puts a model version behind an endpoint: the same endpoint again is a new deployment. Everything but the version
 * comes from the charter in force. The route reaches gateways with the next snapshot.
 *
 * @throws PortolanError `serving.charter_required`, `serving.charter_blocks`, `serving.model_not_deployable`,
 * `charter.placement_refused`, and what `Authorizer.require` throws
 */
export async function deployEndpoint(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  request: DeployRequest,
): Promise<Route> {
  const { organisationId } = call.actor;
  const useCase = await deps.useCases.find(call, request.useCaseId);
  await deps.authorizer.require(call, "serving:deploy", {
    type: "Endpoint",
    id: name,
    organisationId,
    ...(useCase ? { businessUnitId: useCase.businessUnitId } : {}),
    ...(useCase?.teamId ? { teamId: useCase.teamId } : {}),
    useCaseId: request.useCaseId,
    environment: request.environment,
  });
  if (!useCase) throw new PortolanError("kernel.not_found", { detail: "There is no such use case." });
  const charter = await deps.charters.inForce(call, request.useCaseId);
  try {
    requireCharter(deps, name, request, charter);
  } catch (error) {
    if (charter && isPortolanError(error)) await recordRefusal(deps, call, name, error);
    throw error;
  }
  const model = await requireModel(deps, call, request);
  const facts = { useCase, charter, model };
  return deps.work.write(call, (tx) => writeDeployment(tx, name, request, facts));
}

/** What a charter excludes is refused with a row: somebody wanted it, and the record says who. */
function recordRefusal(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  error: PortolanError,
): Promise<string> {
  return deps.work.write(call, (tx) =>
    tx.record({ event: "serving.deployment.refused", subject: name, detail: { code: error.code } }),
  );
}

async function writeDeployment(
  tx: Transaction,
  name: string,
  request: DeployRequest,
  facts: RouteFacts,
): Promise<Route> {
  const { organisationId } = tx.call.actor;
  const existing = await findEndpoint(tx.sql, organisationId, request.environment, name);
  if (existing && existing.use_case_id !== request.useCaseId)
    throw notDeployable(`The endpoint ${name} belongs to another use case.`, "Choose another name.");
  const endpointId = existing?.id ?? newId("endpoint", tx.now);
  const ids = { organisationId, endpointId, deploymentId: newId("deployment", tx.now), name };
  const route = routeOf(ids, request, facts);
  await saveDeployment(tx.sql, {
    endpointId,
    isNewEndpoint: !existing,
    route,
    by: tx.call.actor.id,
    at: tx.now,
  });
  await tx.record({
    event: "serving.endpoint.deployed",
    subject: endpointId,
    ...(existing ? { before: digestJson(existing.route) } : {}),
    after: digestJson(route),
    detail: {
      endpoint: name,
      environment: request.environment,
      deployment: route.deploymentId,
      model: `${request.model}/${request.version}`,
      modelDigest: route.model.digest,
      charter: route.charter ? route.charter.digest : null,
    },
  });
  await tx.intend(publishIntent, { organisationId });
  return route;
}

function requireCharter(
  deps: DeployDeps,
  name: string,
  request: DeployRequest,
  charter: ServedCharter | undefined,
): void {
  if (!charter) {
    if (request.environment === "dev") return;
    throw new PortolanError<ServingErrorCode>("serving.charter_required", {
      detail: `No charter is in force for this use case, and ${request.environment} serves nothing without one.`,
      mend: "Write and sign a charter, or deploy to dev.",
    });
  }
  if (request.fallback) {
    throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
      detail:
        "The charter in force says what answers when the model cannot; a deployment may not say otherwise.",
      mend: "Leave `fallback` out, or have the charter changed and signed again.",
    });
  }
  requireFeatureTime(request, termsOf(charter.document));
  // The predictions' record is kept here, wherever the gateway that answers stands.
  assertPlacement(charter.document, {
    kind: "store",
    name: `of ${name}'s predictions`,
    ...deps.location,
    environment: request.environment,
  });
  const blockers = request.environment === "production" ? productionBlockers(charter.document) : [];
  if (blockers.length > 0) {
    throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
      detail: `The charter demands ${blockers.length} control(s) that nothing enforces yet.`,
      mend: "Deploy to staging, or have the charter changed and signed again.",
      violations: blockers.map((blocker) => ({ detail: blocker.reason })),
    });
  }
}

/** A caller that states T also chooses which values count as fresh: only the charter's signers may allow that. */
function requireFeatureTime(request: DeployRequest, terms: ReturnType<typeof termsOf>): void {
  const takesIt = request.environment !== "dev" && request.features?.eventTime === "request";
  if (!takesIt || terms.featureFreshnessMs === undefined || terms.featureTime === "stated") return;
  throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
    detail:
      "The charter bounds the age of features at the request's arrival, and callers would state another instant.",
    mend: "Leave `features.eventTime` out, or have the charter say `featureTime: stated` and signed again.",
  });
}

async function requireModel(
  deps: DeployDeps,
  call: CallContext,
  request: DeployRequest,
): Promise<DeployableModel> {
  const label = `${request.model}/${request.version}`;
  const model = await deps.models.find(call, request.model, request.version);
  if (!model || model.useCaseId !== request.useCaseId)
    throw notDeployable(
      `The use case has no model version ${label}.`,
      "List versions with `portolan model list`.",
    );
  if (request.environment !== "dev" && !model.stages.includes(request.environment))
    throw notDeployable(
      `${label} was not promoted to ${request.environment}.`,
      `Promote it first: portolan model promote ${label} --to ${request.environment}`,
    );
  const problems = request.features ? findPlanProblems(model.reference.signature, request.features) : [];
  if (problems[0])
    throw notDeployable(
      `The feature plan does not fit ${label}: ${problems.join("; ")}.`,
      "Correct the columns.",
    );
  return model;
}

interface RouteIds {
  readonly organisationId: string;
  readonly endpointId: string;
  readonly deploymentId: string;
  readonly name: string;
}

interface RouteFacts {
  readonly useCase: ServedUseCase;
  readonly charter: ServedCharter | undefined;
  readonly model: DeployableModel;
}

function routeOf(ids: RouteIds, request: DeployRequest, facts: RouteFacts): Route {
  const { charter, useCase, model } = facts;
  const terms = charter ? termsOf(charter.document) : undefined;
  const plan = request.features ?? null;
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
    model: model.reference,
    charter: charter ? { id: charter.id, version: charter.version, digest: charter.digest } : null,
    limits: terms
      ? {
          ratePerSecond: terms.rateLimit.requestsPerSecond,
          burst: terms.rateLimit.burst,
          timeoutMs: terms.requestTimeoutMs,
          bodyBytes,
        }
      : devLimits,
    purposes: [...(terms?.purposes ?? [])],
    durability: terms?.logDurability ?? "buffered",
    nonFinite: "refuse",
    placement: charter ? placementOf(charter.document) : null,
    fallback: request.fallback ?? charterFallback(terms?.fallback, model),
    features: plan && { ...plan, maxAgeMs: freshness(plan.maxAgeMs, terms?.featureFreshnessMs) },
  };
}

/** The charter's constant stands for every output; a previous version needs the rollout package and is `none` here. */
function charterFallback(
  fallback: { readonly kind: string; readonly value?: number } | undefined,
  model: DeployableModel,
): FallbackRule {
  if (fallback?.kind !== "constant" || fallback.value === undefined) return { kind: "none" };
  const { value } = fallback;
  return {
    kind: "fixed",
    outputs: Object.fromEntries(model.reference.signature.outputs.map((output) => [output.name, value])),
  };
}

function freshness(asked: number | null, charter: number | undefined): number | null {
  if (charter === undefined) return asked;
  return asked === null ? charter : Math.min(asked, charter);
}

function notDeployable(detail: string, mend: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_not_deployable", { detail, mend });
}
