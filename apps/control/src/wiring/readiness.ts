import { chartersOfUseCase, signaturesOf } from "@portolan/charter";
import { dataFacts } from "@portolan/data";
import { evaluationFacts } from "@portolan/evaluation";
import { featureFacts, findTrainingSet } from "@portolan/features";
import { identityFacts } from "@portolan/identity";
import type { Environment, Sql } from "@portolan/kernel";
import { ledgerFacts } from "@portolan/ledger";
import { meteringFacts } from "@portolan/metering";
import { endpointLoad, monitoringFacts } from "@portolan/monitoring";
import { reviewFacts } from "@portolan/oversight";
import { pipelineFacts } from "@portolan/pipelines";
import { planFacts, type ReadinessDeps } from "@portolan/planner";
import type { CharterFact, Found, ServedFact } from "@portolan/planner/contract";
import { freshMicros } from "@portolan/planner/policy";
import { predictionFacts } from "@portolan/predictions";
import type { FactsOf } from "@portolan/recorded-facts";
import {
  findComputeProfile,
  findVersion,
  registryFacts,
  versionIdsOf,
  wasPromoted,
} from "@portolan/registry";
import { retrainingFacts } from "@portolan/retraining";
import { releaseControllerId, rolloutFacts } from "@portolan/rollout";
import { type Deployed, endpointsOf, listDeployed, servingFacts } from "@portolan/serving";
import { trainingFacts } from "@portolan/training";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

/** What every package has on record of a use case, for the judgement of how far it is from production. */
export function wireReadiness(
  { work, clock }: Foundation,
  { authorizer, directory }: IdentityWiring,
): ReadinessDeps {
  return {
    authorizer,
    sources: {
      find: async ({ actor: { organisationId } }, idOrName) => {
        const place = await directory.findUseCase(organisationId, idOrName);
        return (await directory.useCases(organisationId)).find(({ id }) => id === place?.useCaseId);
      },
      facts: (call, useCase, environments) =>
        work.read(call, async (sql) => {
          const of = { organisationId: call.actor.organisationId, useCaseId: useCase.id, environments };
          const now = clock.now();
          const charter = await charterFact(sql, useCase.id);
          const endpoints = await endpointsOf(sql, of);
          return {
            useCase,
            now,
            environments,
            ...(charter ? { charter } : {}),
            found: await readFound(sql, of, endpoints),
            served: await servedFacts(sql, of, endpoints, now),
          };
        }),
    },
  };
}

/** The charter in force, else the newest one that somebody still may sign. */
async function charterFact(sql: Sql, useCaseId: string): Promise<CharterFact | undefined> {
  const charters = await chartersOfUseCase(sql, useCaseId);
  const open = ["draft", "partially_signed"];
  const chosen =
    charters.find(({ summary }) => summary.status === "in_force") ??
    charters.find(({ summary }) => open.includes(summary.status));
  if (!chosen) return undefined;
  const { id, version, inForceSince } = chosen.summary;
  const signatures = await signaturesOf(sql, id);
  return {
    id,
    version,
    ...(chosen.summary.status === "in_force" && inForceSince !== undefined ? { inForceSince } : {}),
    document: chosen.document,
    signedRoles: signatures.map(({ role }) => role),
  };
}

type Endpoints = Awaited<ReturnType<typeof endpointsOf>>;

async function readFound(sql: Sql, of: FactsOf, endpoints: Endpoints): Promise<Found> {
  const versionIds = await versionIdsOf(sql, of);
  const places = endpoints.map(({ environment, name }) => ({ environment, name }));
  const registered = await registryFacts(sql, of);
  const released = await rolloutFacts(sql, of);
  return {
    ...(await dataFacts(sql, of)),
    ...(await evaluationFacts(sql, of, versionIds)),
    ...(await servingFacts(sql, of)),
    ...(await predictionFacts(sql, of)),
    ...(await monitoringFacts(sql, of, { versionIds, endpoints: places })),
    ...registered,
    ...released,
    second_approval: [...registered.second_approval, ...released.second_approval],
    feature_view: await featureFacts(sql, of),
    plan: await planFacts(sql, of),
    narrow_role: await identityFacts(sql, of),
    checkpoint: await ledgerFacts(sql, of),
    training_run: await trainingFacts(sql, of),
    pipeline: await pipelineFacts(sql, of),
    review: await reviewFacts(sql, of),
    retraining_policy: await retrainingFacts(sql, of, places),
    metered_month: await meteringFacts(sql, of),
  };
}

/** Endpoints of production as they are now, where the caller may read it. */
async function servedFacts(sql: Sql, of: FactsOf, endpoints: Endpoints, now: number): Promise<ServedFact[]> {
  if (!of.environments.includes("production")) return [];
  const served: ServedFact[] = [];
  for (const deployed of await listDeployed(sql, of.organisationId)) {
    if (deployed.useCaseId !== of.useCaseId || deployed.environment !== "production" || deployed.halt)
      continue;
    const { replacedBy } = endpoints.find(isAt(deployed.environment, deployed.name)) ?? {};
    const cameByHand = replacedBy !== undefined && replacedBy !== releaseControllerId;
    served.push({ ...(await servedFact(sql, of, deployed, now)), cameByHand });
  }
  return served;
}

function isAt(environment: Environment, name: string) {
  return (one: Endpoints[number]): boolean => one.environment === environment && one.name === name;
}

async function servedFact(
  sql: Sql,
  { organisationId }: FactsOf,
  { name, environment, request: { model, version }, route, deployedAt }: Deployed,
  now: number,
): Promise<Omit<ServedFact, "cameByHand">> {
  const found = await findVersion(sql, organisationId, model, version);
  const profile = found && (await findComputeProfile(sql, found.id))?.profile;
  const trainingSetId = found?.lineage.trainingSetId;
  const trained =
    trainingSetId === undefined ? undefined : await findTrainingSet(sql, organisationId, trainingSetId);
  const window = { from: now - freshMicros, to: now };
  const load = await endpointLoad(sql, { organisationId, environment, endpoint: name, ...window });
  return {
    endpoint: name,
    model,
    version,
    deployedAt,
    ...(found && !found.lineage.upstream ? { origin: found.lineage.origin } : {}),
    isPromoted: found !== undefined && (await wasPromoted(sql, found.id)),
    learnedFromViews: (trained?.request.views.length ?? 0) > 0,
    readsViews: (route.features?.views.length ?? 0) > 0,
    requests: load.requests,
    isGpuFirst: route.backends?.order[0]?.hardware === "gpu",
    ...(profile ? { cpuP95Micros: profile.single.p95Micros } : {}),
  };
}
