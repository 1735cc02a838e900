import { termsOf } from "@portolan/charter/policy";
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
import { backendFacts, chosenBackends, withBackends } from "./backends/deployed-backends.ts";
import { findBatchingProblems } from "./batching/batching-problems.ts";
import { deriveRoute, type RouteFacts, requireServable } from "./derive-route.ts";
import { findScalingProblems } from "./elastic/scaling-problems.ts";
import type { ComputeVerdict, DeployedRoute, DeployRequest } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import { findPlanProblems } from "./feature-plan.ts";
import { resolveOnDemand } from "./on-demand.ts";
import type {
  CharterInForce,
  ComputeJudge,
  DeployableModel,
  ModelLookup,
  ServedCharter,
  UseCaseLookup,
  ViewLookup,
} from "./ports.ts";
import { findRoutingProblems } from "./routing/routing-problems.ts";
import { requireFittingRoute } from "./snapshot/fitting-routes.ts";
import type { ModelReference, Route, ServedVersion, Variant } from "./snapshot/schema.ts";
import { type ExistingEndpoint, findDeployedModel, findEndpoint, saveDeployment } from "./store.ts";
import { requireUpstreamPlace } from "./upstream-places.ts";

export interface DeployDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly useCases: UseCaseLookup;
  readonly charters: CharterInForce;
  readonly models: ModelLookup;
  readonly views: ViewLookup;
  readonly compute: ComputeJudge;
  /** Where this installation keeps what gateways deliver; each gateway declares its own place. */
  readonly location: Place;
  /** Told of a deployment in its transaction; whoever attests configurations has it. */
  readonly deployed?: (tx: Transaction, route: Route) => Promise<void>;
}

/** Intent that publishes an organisation's next snapshot; idempotent. */
export const publishIntent = "serving.publish_snapshot";

/**
 * Puts a model version behind an endpoint: the same endpoint again is a new deployment. Everything but the version
 * comes from the charter in force. The route reaches gateways with the next snapshot.
 *
 * @param insteadOf the deployment that it may replace; absent: whichever is in force
 * @throws PortolanError `serving.charter_required`, `serving.charter_blocks`, `serving.model_not_deployable`,
 * `serving.part_unfit`, `charter.placement_refused`, `kernel.conflict` when another deployment than `insteadOf` is in force, and
 * what `Authorizer.require` throws
 */
export async function deployEndpoint(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  asked: DeployRequest,
  insteadOf?: string,
): Promise<DeployedRoute> {
  const prepared = await prepare(deps, call, name, asked);
  const route = await deps.work.write(call, async (tx) => {
    const written = await writeDeployment(tx, name, prepared, insteadOf);
    await deps.deployed?.(tx, written);
    return written;
  });
  return { ...route, compute: prepared.compute };
}

/**
 * Asks whether a deployment would be allowed, and changes nothing; what the charter excludes leaves its ledger row here too.
 * @throws PortolanError what `deployEndpoint` throws for it
 */
export async function checkDeployment(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  asked: DeployRequest,
): Promise<void> {
  await prepare(deps, call, name, asked);
}

interface Prepared {
  readonly request: DeployRequest;
  readonly facts: Omit<RouteFacts, "previous">;
  readonly compute: ComputeVerdict | null;
}

async function prepare(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  asked: DeployRequest,
): Promise<Prepared> {
  const { organisationId } = call.actor;
  const useCase = await deps.useCases.find(call, asked.useCaseId);
  await deps.authorizer.require(call, "serving:deploy", {
    type: "Endpoint",
    id: name,
    organisationId,
    ...(useCase ? { businessUnitId: useCase.businessUnitId } : {}),
    ...(useCase?.teamId ? { teamId: useCase.teamId } : {}),
    useCaseId: asked.useCaseId,
    environment: asked.environment,
  });
  if (!useCase) throw new PortolanError("kernel.not_found", { detail: "There is no such use case." });
  const request = await resolveOnDemand(deps.views, call, asked);
  const charter = await deps.charters.inForce(call, request.useCaseId);
  try {
    requireOwnFallback(request, charter);
    requireServable(name, request, charter, deps.location);
  } catch (error) {
    if (charter && isPortolanError(error)) await recordRefusal(deps, call, name, error);
    throw error;
  }
  const answering = await answeringAt(deps, call, name, request);
  const { reference: model } = await requireModel(deps, call, request, request, answering);
  const beside = await requireVersionsBeside(deps, call, request, answering);
  const measured = await deps.compute.judge(call, model, charter);
  const find = async (asked: AskedVersion) =>
    (await requireModel(deps, call, request, asked, answering)).reference;
  const backends = await chosenBackends(request, { model, charter, measured }, find);
  const facts = { useCase, charter, model, ...beside, backends };
  await requireUpstreamPlaces(deps, call, name, request, facts);
  requireRouting(request, facts);
  return { request, facts, compute: withBackends(measured, backends) };
}

/** No version of the endpoint is asked where the charter does not allow it, whatever its part in the route. */
async function requireUpstreamPlaces(
  deps: DeployDeps,
  call: CallContext,
  name: string,
  { environment }: DeployRequest,
  {
    charter,
    model,
    secondary,
    variants,
    backends,
  }: Pick<RouteFacts, "charter" | "model" | "secondary" | "variants" | "backends">,
): Promise<void> {
  const others = [...(secondary ? [secondary] : []), ...variants, ...(backends?.order ?? [])];
  const beside = others.map((version) => version.model);
  try {
    for (const one of [model, ...beside]) requireUpstreamPlace(one, environment, charter);
  } catch (error) {
    if (isPortolanError(error)) await recordRefusal(deps, call, name, error);
    throw error;
  }
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
  { request, facts, compute }: Prepared,
  insteadOf: string | undefined,
): Promise<Route> {
  const { organisationId } = tx.call.actor;
  const existing = await findEndpoint(tx.sql, organisationId, request.environment, name);
  if (insteadOf !== undefined && existing?.deployment_id !== insteadOf)
    throw new PortolanError("kernel.conflict", {
      detail: `${name} was deployed meanwhile, as ${existing?.deployment_id ?? "nothing"}.`,
      mend: "See what it serves now: portolan endpoint list.",
    });
  if (existing && existing.use_case_id !== request.useCaseId)
    throw notDeployable(`The endpoint ${name} belongs to another use case.`, "Choose another name.");
  const endpointId = existing?.id ?? newId("endpoint", tx.now);
  const ids = { organisationId, endpointId, deploymentId: newId("deployment", tx.now), name };
  const previous = existing && (await standIn(tx, existing, facts.model));
  const route = deriveRoute(ids, request, { ...facts, previous: previous?.deployed ?? null });
  requireFittingRoute(route);
  await saveDeployment(tx.sql, {
    endpointId,
    isNewEndpoint: !existing,
    route,
    request,
    previousId: previous?.id ?? null,
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
      ...backendFacts(route.backends),
      ...(compute ? { tier: compute.tier, disagreements: compute.disagreements } : {}),
    },
  });
  await tx.intend(publishIntent, { organisationId });
  return route;
}

function requireOwnFallback(request: DeployRequest, charter: ServedCharter | undefined): void {
  if (!charter || !request.fallbacks) return;
  throw new PortolanError<ServingErrorCode>("serving.charter_blocks", {
    detail:
      "The charter in force says what answers when the model cannot; a deployment may not say otherwise.",
    mend: "Leave `fallbacks` out, or have the charter changed and signed again.",
  });
}

/** The secondary model and the variants, each as deployable as the endpoint's own version. */
async function requireVersionsBeside(
  deps: DeployDeps,
  call: CallContext,
  request: DeployRequest,
  answering: ReadonlySet<string>,
): Promise<Pick<RouteFacts, "secondary" | "variants">> {
  const version = async (asked: AskedVersion): Promise<ServedVersion> => ({
    model: (await requireModel(deps, call, request, asked, answering)).reference,
    features: asked.features ?? null,
  });
  const variants: Variant[] = [];
  for (const asked of request.variants ?? [])
    variants.push({
      name: asked.name,
      kind: asked.kind,
      sample: asked.sample ?? 1,
      ...(await version(asked)),
    });
  return { secondary: request.secondary ? await version(request.secondary) : null, variants };
}

function requireRouting(request: DeployRequest, facts: Omit<RouteFacts, "previous" | "useCase">): void {
  const rules = facts.charter ? termsOf(facts.charter.document).fallbacks : (request.fallbacks ?? []);
  const p95 = facts.charter && termsOf(facts.charter.document).latencyMsP95;
  const problems = [
    ...findRoutingProblems(request, facts, rules),
    ...(request.batching ? findBatchingProblems(request.batching, facts.model, p95) : []),
    ...(request.scaling ? findScalingProblems(request.scaling, facts.model) : []),
  ];
  if (problems[0])
    throw notDeployable(`The deployment does not fit together: ${problems.join("; ")}.`, "Correct it.");
}

type AskedVersion = Pick<DeployRequest, "model" | "version" | "features">;

/**
 * Versions that the endpoint's deployment in force names. Another version may have been promoted since: a release promotes its candidate before
 * it has shown anything, and the champion must be able to go on beside it, and to come back.
 */
async function answeringAt(
  { work }: DeployDeps,
  call: CallContext,
  name: string,
  { environment }: DeployRequest,
): Promise<ReadonlySet<string>> {
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) => findEndpoint(sql, organisationId, environment, name));
  if (!found) return new Set();
  const { model, secondary, variants } = found.route;
  const models = [model, ...(secondary ? [secondary.model] : []), ...variants.map((one) => one.model)];
  return new Set(models.map((one) => `${one.name}/${one.version}`));
}

async function requireModel(
  deps: DeployDeps,
  call: CallContext,
  { environment, useCaseId }: DeployRequest,
  request: AskedVersion,
  answering: ReadonlySet<string>,
): Promise<DeployableModel> {
  const label = `${request.model}/${request.version}`;
  const model = await deps.models.find(call, request.model, request.version);
  if (!model || model.useCaseId !== useCaseId)
    throw notDeployable(
      `The use case has no model version ${label}.`,
      "List versions with `portolan model list`.",
    );
  if (environment !== "dev" && !model.stages.includes(environment) && !answering.has(label))
    throw notDeployable(
      `${label} was not promoted to ${environment}.`,
      `Promote it first: portolan model promote ${label} --to ${environment}`,
    );
  const problems = request.features ? findPlanProblems(model.reference.signature, request.features) : [];
  if (problems[0])
    throw notDeployable(
      `The feature plan does not fit ${label}: ${problems.join("; ")}.`,
      "Correct the columns.",
    );
  return model;
}

/** The deployment whose model serves while the new one's bytes are on their way: the last one with another model. */
async function standIn(
  tx: Transaction,
  existing: ExistingEndpoint,
  model: ModelReference,
): Promise<{ readonly id: string; readonly deployed: ServedVersion } | undefined> {
  const isOther = digestJson(existing.route.model) !== digestJson(model);
  const id = isOther ? existing.deployment_id : existing.previous_id;
  const deployed = id === null ? undefined : await findDeployedModel(tx.sql, id);
  return id === null || !deployed ? undefined : { id, deployed };
}

function notDeployable(detail: string, mend: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_not_deployable", { detail, mend });
}
