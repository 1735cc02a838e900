import {
  type Authorizer,
  asEpochMicros,
  type CallContext,
  formatInstant,
  newId,
  PortolanError,
  type ResourceRef,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { approvalsNeeded } from "./approvals.ts";
import type { Release, ReleaseRequest } from "./contract.ts";
import type { RolloutErrorCode } from "./errors.ts";
import {
  defaultPlan,
  findDivergenceProblems,
  findPlanProblems,
  type ReleasePlan,
  wrongRuleFor,
} from "./plan.ts";
import type { Endpoints, ReleaseCharters, ReleasedEndpoint, ReleaseEnded, ReleaseTerms } from "./ports.ts";
import { viewOf } from "./release-view.ts";
import { baseOf, deploymentOf } from "./step-deployment.ts";
import { findOpenId, findRelease, insertRelease, type NewRelease } from "./store.ts";

export interface RolloutDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly endpoints: Endpoints;
  readonly charters: ReleaseCharters;
  readonly ended?: ReleaseEnded;
  /** Tells the controller that a release has something to do. */
  readonly wake: () => void;
}

/**
 * Begins to release a version at an endpoint that serves another. Nothing is deployed yet: the controller takes the first step.
 *
 * @throws PortolanError `rollout.release_running`, `rollout.endpoint_shared`, `rollout.nothing_to_release`, `rollout.version_ending`, `rollout.bad_plan`, what a
 * deployment of any of its steps would throw, and what `Authorizer.require` throws
 */
export async function startRelease(
  deps: RolloutDeps,
  call: CallContext,
  endpoint: string,
  request: ReleaseRequest,
): Promise<Release> {
  const { environment } = request;
  const found = await deps.endpoints.find(call, environment, endpoint);
  await deps.authorizer.require(call, "serving:deploy", {
    ...endpointRef(call, endpoint, found && ownerOf(found)),
    environment,
  });
  if (!found)
    throw new PortolanError("kernel.not_found", {
      detail: `there is no endpoint ${endpoint} in ${environment}`,
      mend: "Deploy its first version: portolan endpoint deploy.",
    });
  const { useCaseId } = found.request;
  const terms = await deps.charters.termsFor(call, useCaseId);
  const release = releaseOf(call, endpoint, request, found, terms);
  const { steps } = release.plan;
  const states = [...steps.keys()].map((step) => ({ state: "running", step }) as const);
  // What may be beside the champion need not be able to take its place.
  for (const state of [...states, { state: "promoted", step: steps.length - 1 } as const])
    await deps.endpoints.check(call, endpoint, deploymentOf({ ...release, ...state }));
  const view = await deps.work.write(call, async (tx) => {
    const { organisationId } = call.actor;
    const open = await findOpenId(tx.sql, organisationId, environment, endpoint);
    if (open !== undefined)
      throw refused(
        "rollout.release_running",
        `The release ${open} is running at ${endpoint}.`,
        `Wait for it, or end it: portolan release rollback ${endpoint}`,
      );
    await requireNotEnding(tx.sql, deps.endpoints, release);
    const id = newId("release", tx.now);
    await insertRelease(tx.sql, { ...release, id, startedAt: tx.now });
    await tx.record({
      event: "rollout.release.started",
      subject: id,
      detail: {
        endpoint,
        environment,
        candidate: `${release.model}/${release.version}`,
        champion: `${release.champion.model}/${release.champion.version}`,
        approvalsNeeded: release.approvalsNeeded,
        plan: release.plan,
      },
    });
    const stored = await findRelease(tx.sql, organisationId, id);
    if (!stored) throw new PortolanError("kernel.internal", { detail: `the release ${id} is not stored` });
    return viewOf(stored, []);
  });
  deps.wake();
  return view;
}

/** What callers are told the end of is not brought to them. The end and the release are held against each other, whichever comes first. */
async function requireNotEnding(
  sql: Sql,
  endpoints: Endpoints,
  release: Pick<NewRelease, "organisationId" | "environment" | "endpoint" | "model" | "version">,
): Promise<void> {
  const { endpoint, model, version } = release;
  const endsAt = await endpoints.endOf(sql, release, { model, version });
  if (endsAt === undefined) return;
  throw refused(
    "rollout.version_ending",
    `The end of ${model}/${version} at ${endpoint} is announced for ${formatInstant(asEpochMicros(endsAt))}.`,
    `Release another version, or take its end back: portolan endpoint sunset ${endpoint} --version ${version} --withdraw --reason …`,
  );
}

/** The release that is asked for, judged against what the endpoint serves. */
function releaseOf(
  call: CallContext,
  endpoint: string,
  { environment, model, version, features, plan: asked }: ReleaseRequest,
  found: ReleasedEndpoint,
  terms: ReleaseTerms | undefined,
): Omit<NewRelease, "id" | "startedAt"> {
  const base = baseOf(found.request);
  if (!base)
    throw refused(
      "rollout.endpoint_shared",
      `${endpoint} shares its requests between versions already, by its deployment.`,
      "Deploy its own version alone first: portolan endpoint deploy.",
    );
  if (base.model === model && base.version === version)
    throw refused(
      "rollout.nothing_to_release",
      `${model}/${version} is the champion of ${endpoint}.`,
      "Name another version: portolan model list.",
    );
  const plan = planOf(asked, terms);
  return {
    organisationId: call.actor.organisationId,
    environment,
    endpoint,
    useCaseId: base.useCaseId,
    businessUnitId: found.businessUnitId,
    teamId: found.teamId,
    model,
    version,
    features: features ?? base.features ?? null,
    champion: { model: base.model, version: base.version },
    base,
    plan,
    approvalsNeeded: approvalsNeeded(environment, terms),
    deploymentId: found.deploymentId,
    reasons: ["begins"],
    // Whoever has it asked for by a service is the one who may not approve it.
    requestedBy: call.onBehalfOf ?? call.actor.id,
  };
}

/** @throws PortolanError `rollout.bad_plan` */
function planOf(asked: ReleaseRequest["plan"], terms: ReleaseTerms | undefined): ReleasePlan {
  const plan: ReleasePlan = { ...defaultPlan, slowMs: terms?.latencyMsP95 ?? null, ...asked };
  // Without a charter nobody says what its answers are.
  const wrong = plan.wrong && terms ? wrongRuleFor(plan.wrong, terms) : undefined;
  const problems = [
    ...findPlanProblems(plan),
    ...findDivergenceProblems(plan, terms ?? {}),
    ...(wrong?.problems ?? []),
  ];
  if (problems.length > 0)
    throw refused("rollout.bad_plan", `The plan cannot be followed: ${problems.join("; ")}.`, "Correct it.");
  return wrong ? { ...plan, wrong: wrong.rule } : plan;
}

interface Owner {
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly teamId: string | null;
}

/** Who an endpoint belongs to, for what is judged of it. */
export function ownerOf({ request, businessUnitId, teamId }: ReleasedEndpoint): Owner {
  return { useCaseId: request.useCaseId, businessUnitId, teamId };
}

/** An endpoint as rights are judged of it. */
export function endpointRef(call: CallContext, id: string, owner: Owner | undefined): ResourceRef {
  const { organisationId } = call.actor;
  return {
    type: "Endpoint",
    id,
    organisationId,
    ...(owner ? { businessUnitId: owner.businessUnitId, useCaseId: owner.useCaseId } : {}),
    ...(owner?.teamId ? { teamId: owner.teamId } : {}),
  };
}

export function refused(
  code: RolloutErrorCode,
  detail: string,
  mend: string,
): PortolanError<RolloutErrorCode> {
  return new PortolanError<RolloutErrorCode>(code, { detail, mend });
}
