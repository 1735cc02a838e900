import { findCharter, signaturesOf } from "@portolan/charter";
import type { CharterDocument } from "@portolan/charter/contract";
import { type EvaluationDeps, evidenceEnvironment, recordedEvaluations } from "@portolan/evaluation";
import { findTrainingSet } from "@portolan/features";
import { type ObjectStore, parseDigest, type Sql } from "@portolan/kernel";
import { enqueueAttestation, type VersionSources } from "@portolan/registry";
import type { CharterFacts, TrainingSetFacts } from "@portolan/registry/contract";
import { findRun } from "@portolan/training";
import { readLock } from "@portolan/training/policy";

/** What is on record of a version outside the registry, from the packages that own it. */
export function versionSources(objects: ObjectStore): VersionSources {
  return {
    training: trainingFacts,
    trainingSet: trainingSetFacts,
    charter: charterFacts,
    evaluations: recordedEvaluations,
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
