import { join } from "node:path";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import { type CharterDeps, inForceCharter } from "@portolan/charter";
import { termsOf } from "@portolan/charter/policy";
import { createRowsAccess, type ResidencyCheck } from "@portolan/data";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type CallContext, type JobHandler, PortolanError, parseDigest } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { requireBudget } from "@portolan/metering";
import { cpuPrice } from "@portolan/planner";
import { type RegistryDeps, readVersion } from "@portolan/registry";
import type { ModelVersion } from "@portolan/registry/contract";
import {
  type PinnedVersion,
  type ScoringDeps,
  type ScoringTarget,
  scoringJob,
  type TargetResource,
  unknownTarget,
} from "@portolan/scoring";
import type { ScoringQuestion } from "@portolan/scoring/contract";
import {
  askingBounds,
  findDeployed,
  findServedRoute,
  requireNotStopped,
  requireServable,
  requireUpstreamPlace,
  type ServingRouteDeps,
} from "@portolan/serving";
import type { Route } from "@portolan/serving/contract";
import type { ModelRuntime } from "@portolan/serving/policy";
import { createChunkScorer } from "../batch/child-chunk-scorer.ts";
import { scorableRows, wireDataAccess } from "./data-access.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { budgetDeps } from "./metering.ts";
import { scoredElsewhere } from "./scoring-elsewhere.ts";
import { deployable } from "./serving.ts";

export interface ScoringWiring {
  readonly scoring: ScoringDeps;
  readonly jobs: readonly JobHandler[];
}

interface Parts {
  readonly charter: CharterDeps;
  readonly registry: RegistryDeps;
  readonly serving: ServingRouteDeps;
  readonly residency: ResidencyCheck;
  readonly admission: AdmissionQueue;
  /** Loads versions that other servers run. */
  readonly upstreams: ModelRuntime;
}

/** Batch scoring: endpoints' versions and rules over snapshots. */
export function wireScoring(base: Foundation, identity: IdentityWiring, parts: Parts): ScoringWiring {
  const { work, clock, objects, config, prices } = base;
  const workFolder = join(config.PORTOLAN_HOME, "work");
  const budgets = budgetDeps(base, parts.charter);
  const scoring: ScoringDeps = {
    work,
    authorizer: identity.authorizer,
    clock,
    objects,
    artifacts: parts.registry.artifacts,
    places: identity.directory.places,
    targets: {
      find: (call, question, allow) => findTarget(parts, call, question, allow),
      stillServes: (call, pinned) => stillServes(parts, call, pinned),
    },
    residency: parts.residency,
    admission: parts.admission,
    access: createRowsAccess(wireDataAccess(base, identity)),
    source: scorableRows,
    budget: { require: (call, useCaseId) => requireBudget(budgets, call, useCaseId) },
    scorer: createChunkScorer({ objects, workFolder, upstreams: parts.upstreams }),
    engine: createDuckDbEngine({ threads: 1 }),
    prices: {
      of: async (call, useCaseId) => {
        const found = await inForceCharter(parts.charter, call, { useCaseId });
        return found && cpuPrice(found.charter, prices, clock.now());
      },
    },
    recordBatch: recordBatchDigest,
    workFolder,
  };
  return { scoring, jobs: [scoringJob(scoring)] };
}

type Allow = (resource: TargetResource) => Promise<void>;

async function findTarget(
  parts: Parts,
  call: CallContext,
  question: ScoringQuestion,
  allow: Allow,
): Promise<ScoringTarget> {
  const { endpoint, environment, model, version } = question;
  if (endpoint !== undefined) {
    const route = await findServedRoute(parts.serving, call, environment, endpoint, (found) =>
      allow(endpointOf(found)),
    );
    if (!route) throw unknownTarget(question);
    // Rows are scored by the version itself, which may be kept from answering.
    await requireNotStopped(parts.serving, call, environment, endpoint);
    return targetOfRoute(parts, call, route);
  }
  if (model === undefined || version === undefined) throw unknownTarget(question);
  const found = await readVersion(parts.registry, call, model, version);
  await allow({ type: "Model", id: model, useCaseId: found.useCaseId });
  requireStage(found, environment);
  return targetOfVersion(parts, call, environment, found);
}

async function stillServes(
  parts: Parts,
  call: CallContext,
  { environment, useCaseId, model: { name, version }, endpoint }: PinnedVersion,
): Promise<Pick<ScoringTarget, "purposes">> {
  if (endpoint !== undefined) await requireNotStopped(parts.serving, call, environment, endpoint);
  const found = await readVersion(parts.registry, call, name, version);
  // What answers at the endpoint may go on while a release has another version promoted.
  if (endpoint === undefined || !(await answersAt(parts, call, { environment, endpoint, name, version })))
    requireStage(found, environment);
  const charter = await parts.serving.charters.inForce(call, useCaseId);
  requireServable(name, { environment }, charter, parts.serving.location);
  requireUpstreamPlace(deployable(found).reference, environment, charter);
  return { purposes: charter ? termsOf(charter.document).purposes : [] };
}

async function answersAt(
  { serving }: Parts,
  call: CallContext,
  at: {
    readonly environment: ScoringQuestion["environment"];
    readonly endpoint: string;
    readonly name: string;
    readonly version: number;
  },
): Promise<boolean> {
  const { organisationId } = call.actor;
  const found = await serving.work.read(call, (sql) =>
    findDeployed(sql, organisationId, at.environment, at.endpoint),
  );
  return found?.route.model.name === at.name && found.route.model.version === at.version;
}

/** Outside dev a version must have been promoted. */
function requireStage(
  { model, version, stages }: ModelVersion,
  environment: ScoringQuestion["environment"],
): void {
  if (environment === "dev" || stages.includes(environment)) return;
  throw unknownTarget({ environment, model, version });
}

function endpointOf({ endpoint, businessUnitId, teamId, useCaseId }: Route): TargetResource {
  return {
    type: "Endpoint",
    id: endpoint,
    businessUnitId,
    ...(teamId === null ? {} : { teamId }),
    useCaseId,
  };
}

async function targetOfRoute(parts: Parts, call: CallContext, route: Route): Promise<ScoringTarget> {
  const { name, version, digest, signature } = route.model;
  const { limits, resilience } = route;
  const found = await inForceCharter(parts.charter, call, { useCaseId: route.useCaseId });
  return {
    useCaseId: route.useCaseId,
    model: { name, version, digest: requireDigest(digest) },
    signature,
    features: route.features,
    nonFinite: route.nonFinite,
    nonFiniteOutputs: route.nonFiniteOutputs ?? "refuse",
    purposes: route.purposes,
    charter: found ? charterOf(found) : null,
    ...scoredElsewhere(route.model, {
      timeoutMs: limits.timeoutMs,
      mostAtOnce: resilience.maxInFlight,
      ...(resilience.retryShare === undefined ? {} : { retryShare: resilience.retryShare }),
    }),
  };
}

/** A version by itself, where an endpoint of it could be served. */
async function targetOfVersion(
  parts: Parts,
  call: CallContext,
  environment: ScoringQuestion["environment"],
  found: ModelVersion,
): Promise<ScoringTarget> {
  const { useCaseId, model, version } = found;
  const charter = await parts.serving.charters.inForce(call, useCaseId);
  requireServable(model, { environment }, charter, parts.serving.location);
  const reference = deployable(found).reference;
  requireUpstreamPlace(reference, environment, charter);
  const terms = charter ? termsOf(charter.document) : undefined;
  return {
    useCaseId,
    model: { name: model, version, digest: requireDigest(found.artifact) },
    signature: found.signature,
    features: null,
    nonFinite: terms?.nonFinite.inputs ?? "refuse",
    nonFiniteOutputs: terms?.nonFinite.outputs ?? "refuse",
    purposes: terms?.purposes ?? [],
    charter: charter ? { ...pick(charter), classification: charter.document.data.classification } : null,
    ...scoredElsewhere(reference, askingBounds(charter)),
  };
}

function pick({
  id,
  version,
  digest,
}: {
  readonly id: string;
  readonly version: number;
  readonly digest: string;
}) {
  return { id, version, digest };
}

function charterOf(found: NonNullable<Awaited<ReturnType<typeof inForceCharter>>>) {
  const { charterId: id, version, digest, charter } = found;
  return { id, version, digest, classification: charter.data.classification };
}

function requireDigest(text: string) {
  const digest = parseDigest(text);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `${text.slice(0, 80)} is no digest` });
  return digest;
}
