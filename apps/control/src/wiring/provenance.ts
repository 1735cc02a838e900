import { findCharter, signaturesOf } from "@portolan/charter";
import type { CharterDocument } from "@portolan/charter/contract";
import { findTrainingSet } from "@portolan/features";
import {
  type CallContext,
  type JobHandler,
  type ObjectStore,
  parseDigest,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { enqueueAttestation, findVersion, type VersionSources } from "@portolan/registry";
import { type CharterFacts, EvaluationFacts, type TrainingSetFacts } from "@portolan/registry/contract";
import { findRun } from "@portolan/training";
import { readLock } from "@portolan/training/policy";
import { type Static, Type, Value } from "@portolan/typebox";

/** What is on record of a version outside the registry, from the packages that own it. */
export function versionSources(objects: ObjectStore): VersionSources {
  return {
    training: trainingFacts,
    trainingSet: trainingSetFacts,
    charter: charterFacts,
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

const Interval = Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number() });

/** What the job of an evaluation found, of rows or of text; what else it says is left out. */
const Found = Type.Object({
  evaluation: Type.String(),
  results: Type.Optional(Type.String()),
  heldOut: EvaluationFacts.properties.heldOut,
  metrics: Type.Object({
    rows: Type.Optional(Type.Integer()),
    cases: Type.Optional(Type.Integer()),
    values: Type.Record(Type.String(), Type.Number()),
    rocAucInterval: Type.Optional(Interval),
    passRateInterval: Type.Optional(Interval),
  }),
  gates: EvaluationFacts.properties.gates,
});
type Found = Static<typeof Found>;

/** What the job was asked for: the held-out rows or the cases. */
const Asked = Type.Object({
  model: Type.String(),
  version: Type.Integer(),
  trainingSetId: Type.Optional(Type.String()),
  setId: Type.Optional(Type.String()),
});
type Asked = Static<typeof Asked>;

/** The same evaluation, whose findings are attested as its last, durable step. */
export function attestedEvaluation(work: UnitOfWork, handler: JobHandler): JobHandler {
  return {
    ...handler,
    run: async (job) => {
      const result = await handler.run(job);
      const asked = Value.Parse(Asked, job.payload);
      const evaluation = await evaluationFacts(work, job.call, asked, Value.Parse(Found, result));
      const { model, version } = asked;
      await job.step("attest", async (tx) => {
        const found = await findVersion(tx.sql, tx.call.actor.organisationId, model, version);
        if (found)
          await enqueueAttestation(tx, found, {
            environment: "production",
            cause: `evaluation/${evaluation.id}`,
            evaluation,
          });
        return null;
      });
      return result;
    },
  };
}

async function evaluationFacts(
  work: UnitOfWork,
  call: CallContext,
  { trainingSetId, setId }: Asked,
  found: Found,
): Promise<EvaluationFacts> {
  const { organisationId, id: evaluatedBy } = call.actor;
  const rows =
    trainingSetId === undefined
      ? undefined
      : await work.read(call, (sql) => findTrainingSet(sql, organisationId, trainingSetId));
  const set = rows?.manifest?.object;
  const { metrics, results, heldOut, gates } = found;
  return {
    id: found.evaluation,
    setId: trainingSetId ?? setId ?? "",
    heldOut,
    metrics: metricsOf(metrics),
    examples: metrics.rows ?? metrics.cases ?? 0,
    gates,
    evaluatedBy,
    ...(set === undefined ? {} : { set }),
    ...(results === undefined ? {} : { results }),
  };
}

/** Each value by its name, with the interval that was computed for it. */
function metricsOf({
  values,
  rocAucInterval,
  passRateInterval,
}: Found["metrics"]): EvaluationFacts["metrics"] {
  const intervals: Readonly<Record<string, Static<typeof Interval> | undefined>> = {
    roc_auc: rocAucInterval,
    pass_rate: passRateInterval,
  };
  return Object.entries(values).map(([name, value]) => {
    const interval = intervals[name];
    return { name, value, ...(interval ? { interval } : {}) };
  });
}
