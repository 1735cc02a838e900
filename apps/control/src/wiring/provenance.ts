import { findWorkload } from "@portolan/capacity";
import { findCharter, signaturesOf } from "@portolan/charter";
import type { CharterDocument } from "@portolan/charter/contract";
import { type EvaluationDeps, evidenceEnvironment, recordedEvaluations } from "@portolan/evaluation";
import { findTrainingSet } from "@portolan/features";
import {
  digestJson,
  type Environment,
  type ObjectStore,
  parseDigest,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import { enqueueAttestation, findVersion, type ModelVersion, type VersionSources } from "@portolan/registry";
import type {
  CharterFacts,
  DecisionFacts,
  DeploymentFacts,
  TrainingSetFacts,
} from "@portolan/registry/contract";
import { retrainingsOver } from "@portolan/retraining";
import { releasesOver } from "@portolan/rollout";
import { type DeployDeps, deploymentsNaming, namedVersions, servingConfig } from "@portolan/serving";
import { findRun } from "@portolan/training";
import { readLock } from "@portolan/training/policy";

/** What is on record of a version outside the registry, from the packages that own it. */
export function versionSources(objects: ObjectStore): VersionSources {
  return {
    training: trainingFacts,
    trainingSet: trainingSetFacts,
    charter: charterFacts,
    evaluations: recordedEvaluations,
    decisions: async (sql, organisationId, version) => [
      ...(await sizeDecision(sql, organisationId, version)),
      ...(await retrainingDecisions(sql, organisationId, version)),
      ...(await releaseDecisions(sql, organisationId, version)),
    ],
    deployments: deploymentFacts,
    packages: async (lock) => {
      const digest = parseDigest(lock);
      if (!digest || !(await objects.has(digest))) return [];
      const pinned = readLock(new TextDecoder().decode(await objects.get(digest)));
      return pinned.map((one) => ({ ...one, hashes: [...one.hashes] }));
    },
  };
}

const trainingFacts: VersionSources["training"] = async (sql, organisationId, runId) => {
  const run = await findRun(sql, organisationId, runId);
  if (run?.state !== "succeeded" || !run.result || run.finishedAt === undefined) return undefined;
  const { model: _, modelSizeBytes: __, params: ___, ...used } = run.result;
  const { environment, params, locks } = run.request;
  return {
    runId,
    environment,
    startedBy: run.startedBy,
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    params,
    locks,
    ...used,
  };
};

async function trainingSetFacts(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<TrainingSetFacts | undefined> {
  const set = await findTrainingSet(sql, organisationId, id);
  const manifest = set?.manifest;
  if (!set || !manifest) return undefined;
  const { object, datasetId, dataset, from, to, rowsAfter, features, label, definition } = manifest;
  const { baseline, dataClass } = manifest;
  return {
    id,
    name: set.request.name,
    contract: set.request.contract,
    object,
    datasetId,
    dataset,
    from,
    to,
    rows: rowsAfter,
    features,
    label,
    definition,
    views: manifest.views.map(({ view, digest, log }) => ({ view, digest, ...(log ? { log } : {}) })),
    ...(baseline === undefined ? {} : { baseline }),
    ...(dataClass === undefined ? {} : { dataClass }),
  };
}

async function charterFacts(sql: Sql, organisationId: string, id: string): Promise<CharterFacts | undefined> {
  const found = await findCharter(sql, organisationId, id);
  if (!found) return undefined;
  const { summary, document } = found;
  const approvals = (await signaturesOf(sql, id)).map(({ role, signer, keyId, signature, signedAt }) => ({
    role,
    signer,
    keyId,
    signature,
    signedAt,
  }));
  return { id, version: summary.version, digest: summary.digest, ...termsOfUse(document), approvals };
}

function termsOfUse(
  document: CharterDocument,
): Omit<CharterFacts, "id" | "version" | "digest" | "approvals"> {
  const { useCase, requirements, nonNegotiables, fairness } = document;
  const { metric, floor, ceiling } = requirements.accuracy;
  return {
    useCase: useCase.name,
    description: useCase.description,
    team: useCase.team,
    businessUnit: useCase.businessUnit,
    task: document.model.task,
    purposes: document.purposes,
    regulations: nonNegotiables.regulations,
    riskLevel: document.riskTolerance.level,
    classification: document.data.classification,
    humanReview: document.humanReview,
    explainability: document.explainability,
    fallback: document.fallback.kind,
    accuracy: {
      metric,
      ...(floor === undefined ? {} : { floor }),
      ...(ceiling === undefined ? {} : { ceiling }),
    },
    ...(fairness ? { fairness } : {}),
  };
}

/** Has an evaluation attested; enqueued in the transaction that records it, so that none is lost. */
export const attestEvaluation: NonNullable<EvaluationDeps["recorded"]> = async (
  tx,
  { evaluation, version },
) => {
  const asked = { environment: evidenceEnvironment, cause: `evaluation/${evaluation}` };
  await enqueueAttestation(tx, version, asked);
};

/** Whether somebody let the run that made it begin at its size. */
async function sizeDecision(
  sql: Sql,
  organisationId: string,
  { lineage: { trainingRunId } }: ModelVersion,
): Promise<DecisionFacts[]> {
  const found = trainingRunId === undefined ? undefined : await findWorkload(sql, trainingRunId);
  const { approval } = found ?? {};
  if (found?.organisationId !== organisationId || approval?.state !== "approved") return [];
  const { by, at } = approval;
  if (by === undefined || at === undefined) return [];
  return [
    {
      kind: "size",
      id: found.id,
      environment: found.environment as Environment,
      what: approval.for,
      requestedBy: found.startedFor ?? found.startedBy,
      requestedAt: found.arrivedAt,
      approvalsNeeded: 1,
      approvals: [{ by, at }],
      outcome: "approved",
      decidedBy: by,
      decidedAt: at,
      reasons: [],
    },
  ];
}

async function retrainingDecisions(
  sql: Sql,
  organisationId: string,
  { id: versionId }: ModelVersion,
): Promise<DecisionFacts[]> {
  const over = await retrainingsOver(sql, organisationId, versionId);
  return over.map((one) => ({
    kind: "retraining",
    id: one.id,
    environment: one.environment,
    endpoint: one.endpoint,
    requestedBy: one.requestedBy,
    requestedAt: one.startedAt,
    approvalsNeeded: one.terms.approval === "none" ? 0 : 1,
    approvals:
      one.approvedBy === null || one.approvedAt === null ? [] : [{ by: one.approvedBy, at: one.approvedAt }],
    outcome: one.state,
    decidedBy: one.endedBy ?? one.requestedBy,
    decidedAt: one.endedAt ?? one.startedAt,
    reasons: [one.cause.reason, ...one.reasons],
  }));
}

async function releaseDecisions(
  sql: Sql,
  organisationId: string,
  version: ModelVersion,
): Promise<DecisionFacts[]> {
  const over = await releasesOver(sql, organisationId, version);
  return over.map((one) => ({
    kind: "release",
    id: one.id,
    environment: one.environment,
    endpoint: one.endpoint,
    requestedBy: one.requestedBy,
    requestedAt: one.startedAt,
    approvalsNeeded: one.approvalsNeeded,
    approvals: one.approvals.map(({ by, at }) => ({ by, at })),
    outcome: one.state,
    decidedBy: one.endedBy ?? one.requestedBy,
    decidedAt: one.endedAt ?? one.startedAt,
    reasons: [...one.reasons],
  }));
}

async function deploymentFacts(
  sql: Sql,
  organisationId: string,
  { model, version }: ModelVersion,
): Promise<DeploymentFacts[]> {
  const made = await deploymentsNaming(sql, organisationId, { name: model, version });
  return made.flatMap(({ id, route, deployedBy, deployedAt }) => {
    const named = namedVersions(route).find((one) => one.name === model && one.version === version);
    if (!named) return [];
    const { endpoint, environment } = route;
    const config = servingConfig(route);
    return [
      {
        id,
        endpoint,
        environment,
        role: named.role,
        deployedBy,
        deployedAt,
        route: digestJson(route),
        digest: digestJson(config),
        config,
      },
    ];
  });
}

/** Has what was decided about a version attested, in the transaction that decides it: the outcome that is on record when the job runs. */
export function attestDecision(kind: "release" | "retraining") {
  return async (
    tx: Transaction,
    decided: {
      readonly id: string;
      readonly environment: Environment;
      readonly model: string;
      readonly version: number;
    },
  ): Promise<void> => {
    await attestUse(tx, decided, `${kind}/${decided.id}`);
  };
}

/** Has the configuration of a deployment attested of its champion, variants and secondary, in the transaction that makes it. */
export const attestDeployment: NonNullable<DeployDeps["deployed"]> = async (tx, route) => {
  const { environment, deploymentId } = route;
  for (const { name, version } of namedVersions(route))
    await attestUse(tx, { environment, model: name, version }, `deployment/${deploymentId}`);
};

async function attestUse(
  tx: Transaction,
  {
    environment,
    model,
    version,
  }: { readonly environment: Environment; readonly model: string; readonly version: number },
  cause: string,
): Promise<void> {
  const found = await findVersion(tx.sql, tx.call.actor.organisationId, model, version);
  if (found) await enqueueAttestation(tx, found, { environment, cause });
}
