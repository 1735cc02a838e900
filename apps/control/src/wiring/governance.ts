import { type CharterDeps, findInForce, productionBlockers, readCharter, termsOf } from "@portolan/charter";
import type { ReleaseTerms } from "@portolan/charter/contract";
import { placementRefused, residencyRefusals } from "@portolan/charter/policy";
import { createRowBytes } from "@portolan/data";
import {
  comparisonJob,
  comparisonsOf,
  type EvaluationDeps,
  evaluationJob,
  explainTrained,
  latestEvidence,
  latestTextEvidence,
  type TextEvaluationDeps,
  textEvaluationJob,
} from "@portolan/evaluation";
import { evaluationGates } from "@portolan/evaluation/contract";
import { judgeChallenger, judgeGates, judgePrivacy, judgeTextGates } from "@portolan/evaluation/policy";
import { findTrainingSet } from "@portolan/features";
import {
  asEpochMicros,
  type CallContext,
  type JobHandler,
  PortolanError,
  parseDigest,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { profileTrained } from "@portolan/monitoring";
import type { PlannerDeps } from "@portolan/planner";
import {
  type AttestDeps,
  attestJob,
  createArtifactCatalogue,
  measureJob,
  type RegistryDeps,
  readPromoted,
  readVersion,
  speechOf,
  trainingRunOf,
} from "@portolan/registry";
import type { ModelVersion } from "@portolan/registry/contract";
import { publishIntent } from "@portolan/serving";
import type { ModelRuntime } from "@portolan/serving/policy";
import { type BaseModels, findRun } from "@portolan/training";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { createChildProber } from "../probing/child-prober.ts";
import { createChildMeasurer } from "../profiling/child-measurer.ts";
import { createChildScorer } from "../scoring/child-scorer.ts";
import { createTextAsker } from "../scoring/text-asker.ts";
import { wireDataAccess } from "./data-access.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { measuredCompute } from "./measured-compute.ts";
import { profiledVersion } from "./monitoring.ts";
import { attestEvaluation, versionSources } from "./provenance.ts";

export interface GovernanceWiring {
  readonly charter: CharterDeps;
  readonly planner: PlannerDeps;
  readonly registry: RegistryDeps;
  /** Versions that training runs may start from. */
  readonly baseModels: BaseModels;
  readonly evaluation: EvaluationDeps;
  readonly textEvaluation: TextEvaluationDeps;
  /** Loads versions that other servers run, with this installation's addresses and credentials. */
  readonly upstreams: ModelRuntime;
  readonly jobs: readonly JobHandler[];
}

/** Charters, plans, versions and their evaluations: each sees the others only through its ports. */
export function wireGovernance(base: Foundation, identity: IdentityWiring): GovernanceWiring {
  const { work, clock, keys, objects } = base;
  const { authorizer, directory } = identity;
  const charter: CharterDeps = {
    uow: work,
    authorizer,
    clock,
    signingKeys: keys,
    useCases: { find: (organisationId, name) => directory.findUseCase(organisationId, name) },
    roles: {
      holdsRole: (userId, role, scope) => {
        const scopes = [scope.organisationId, scope.businessUnitId, scope.teamId, scope.useCaseId];
        return directory.holdsRole(scope.organisationId, userId, role, scopes);
      },
    },
  };
  const access = openUpstreamAccess(base.config.UPSTREAM_ALLOWED_HOSTS, base.config.UPSTREAM_CREDENTIALS);
  const catalogue = { work, authorizer, objects, rows: createRowBytes(wireDataAccess(base, identity)) };
  const registry: RegistryDeps & AttestDeps = {
    ...catalogue,
    artifacts: createArtifactCatalogue(catalogue),
    places: directory.places,
    keys,
    clock,
    charters: { inForce: governingCharter },
    runs: { find: trainedArtifact },
    created: async (tx, version) => {
      const trained = profiledVersion(version);
      await profileTrained(tx, trained);
      await explainTrained(tx, trained);
    },
    upstreams: createUpstreamProbe(access),
    evidence: { latest: gatesUnder },
    sources: versionSources(objects),
    released: publishSnapshot,
  };
  const upstreams = createUpstreamRuntime({ access, log: base.log });
  const { evaluation, textEvaluation } = wireEvaluations(base, identity, registry, upstreams);
  return {
    charter,
    planner: wirePlanner(base, identity, charter),
    registry,
    baseModels: { find: (call, name, version) => baseModel(registry, call, name, version) },
    evaluation,
    textEvaluation,
    upstreams,
    jobs: [
      evaluationJob(evaluation),
      comparisonJob(evaluation),
      textEvaluationJob(textEvaluation),
      measureJob({ ...registry, measurer: createChildMeasurer(objects) }),
      attestJob(registry),
    ],
  };
}

/** Gateways load a version once its promotion is attested; nobody has to wait for the next regular snapshot. */
const publishSnapshot: AttestDeps["released"] = async (tx) => {
  await tx.intend(publishIntent, { organisationId: tx.call.actor.organisationId });
};

/** Of rows and of text: the same versions, bounds and borders. */
function wireEvaluations(
  { work, objects }: Foundation,
  { authorizer, directory }: IdentityWiring,
  registry: RegistryDeps,
  upstreams: ModelRuntime,
): Pick<GovernanceWiring, "evaluation" | "textEvaluation"> {
  const versions: EvaluationDeps["versions"] = {
    find: async (call, model, version) => {
      const found = await readVersion(registry, call, model, version);
      await requirePlaceToEvaluate(work, call, found);
      return evaluated(found);
    },
    requireSeen: async (call, model, version) => void (await readVersion(registry, call, model, version)),
    promoted: async (call, model) => (await readPromoted(registry, call, model, "production"))?.version,
  };
  const common = {
    work,
    authorizer,
    versions,
    release: { terms: releaseTerms },
    recorded: attestEvaluation,
  };
  return {
    evaluation: {
      ...common,
      scorer: createChildScorer(objects, upstreams),
      prober: createChildProber(objects, upstreams),
      compute: { find: measuredCompute },
    },
    textEvaluation: {
      ...common,
      objects,
      artifacts: registry.artifacts,
      places: directory.places,
      asker: createTextAsker(objects, upstreams),
    },
  };
}

/** The newest findings of a version, judged by the charter of the day; beside the version that it would replace, where the charter says so. */
async function gatesUnder(sql: Sql, versionId: string, useCaseId: string, replaces?: string) {
  const terms = await releaseTerms(sql, useCaseId);
  if (!terms) return [];
  const { challenger, privacy } = terms;
  const beside =
    challenger && replaces !== undefined
      ? [judgeChallenger(await comparisonsOf(sql, versionId, replaces), challenger)]
      : [];
  if (privacy) beside.push(judgePrivacy(await privacyOnRecord(sql, versionId), privacy));
  const found = await latestEvidence(sql, versionId);
  if (found) return [...judgeGates(found, terms), ...beside];
  const text = await latestTextEvidence(sql, versionId);
  return text ? [...judgeTextGates(text, terms), ...beside] : beside;
}

/** What the run that made a version keeps of privacy, as its record says. */
async function privacyOnRecord(sql: Sql, versionId: string) {
  const made = await trainingRunOf(sql, versionId);
  const run = made && (await findRun(sql, made.organisationId, made.runId));
  return run?.result?.privacy;
}

/** Held-out rows and cases go to the server that runs the version: only where the charter lets them. */
async function requirePlaceToEvaluate(
  work: UnitOfWork,
  call: CallContext,
  { id, model, version, useCaseId, lineage }: ModelVersion,
): Promise<void> {
  const { upstream } = lineage;
  const charter = upstream && (await work.read(call, (sql) => findInForce(sql, { useCaseId })));
  if (!upstream || !charter) return;
  const { region, owner } = upstream;
  const place = { kind: "upstream", name: `${model}/${version}`, region, owner } as const;
  const refusals = residencyRefusals(charter.charter, place);
  if (refusals.length === 0) return;
  const error = placementRefused(refusals);
  await work.write(call, (tx) =>
    tx.record({ event: "evaluation.refused", subject: id, detail: { code: error.code, region, owner } }),
  );
  throw error;
}

function evaluated(found: ModelVersion) {
  const artifact = parseDigest(found.artifact);
  if (!artifact)
    throw new PortolanError("kernel.internal", { detail: `version ${found.id} has no artifact` });
  const { trainingSetId } = found.lineage;
  return {
    id: found.id,
    artifact,
    useCaseId: found.useCaseId,
    ...(trainingSetId === undefined ? {} : { trainingSetId }),
    registeredAt: asEpochMicros(found.signedAt),
    speaks: speechOf(found),
  };
}

async function baseModel(
  registry: RegistryDeps,
  ...[call, name, version]: Parameters<BaseModels["find"]>
): ReturnType<BaseModels["find"]> {
  const { artifact, useCaseId, lineage } = await readVersion(registry, call, name, version);
  const { trainingSetId } = lineage;
  return { artifact, useCaseId, ...(trainingSetId === undefined ? {} : { trainingSetId }) };
}

async function trainedArtifact(sql: Sql, organisationId: string, runId: string) {
  const run = await findRun(sql, organisationId, runId);
  if (run?.state !== "succeeded" || !run.result) return undefined;
  const { model, data, base, code, params, environmentLock, seed } = run.result;
  const { useCaseId, trainingSetId } = run.request;
  const owner = useCaseId === undefined ? {} : { useCaseId };
  const dataClass = (await findTrainingSet(sql, organisationId, trainingSetId))?.manifest?.dataClass;
  const more = { ...(dataClass ? { dataClass } : {}), ...(base === undefined ? {} : { base }) };
  return { model, data, code, params, environmentLock, seed, trainingSetId, ...owner, ...more };
}

async function releaseTerms(sql: Sql, useCaseId: string): Promise<ReleaseTerms | undefined> {
  const found = await findInForce(sql, { useCaseId });
  return found && termsOf(found.charter);
}

async function governingCharter(sql: Sql, useCaseId: string) {
  const found = await findInForce(sql, { useCaseId });
  if (!found) return undefined;
  return {
    charterId: found.charterId,
    digest: found.digest,
    requiredGates: evaluationGates,
    notEnforced: productionBlockers(found.charter).map((blocker) => blocker.control),
  };
}

function wirePlanner(base: Foundation, identity: IdentityWiring, charter: CharterDeps): PlannerDeps {
  return {
    uow: base.work,
    authorizer: identity.authorizer,
    clock: base.clock,
    prices: base.prices,
    places: identity.directory.places,
    charters: {
      read: async (call, charterId) => {
        const view = await readCharter(charter, call, charterId);
        return {
          charterId: view.id,
          useCaseId: view.useCaseId,
          businessUnitId: view.businessUnitId,
          teamId: view.teamId,
          digest: view.digest,
          document: view.charter,
          lines: {},
          signedRoles: view.signatures.map((signature) => signature.role),
        };
      },
    },
  };
}
