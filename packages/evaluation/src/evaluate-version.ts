import type { AccuracyBound } from "@portolan/charter/contract";
import {
  type Authorizer,
  type CallContext,
  type Digest,
  type JobHandler,
  type JobRun,
  type JsonObject,
  newId,
  PortolanError,
  parseDigest,
  requireSeen,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import { binaryMetrics } from "./binary-metrics.ts";
import { BinaryMetrics, EvaluationRequest, type GateResult, type HeldOut } from "./contract.ts";
import type { EvaluationErrorCode } from "./errors.ts";
import { evidenceEnvironment } from "./evidence-environment.ts";
import { type Evidence, judgeGates } from "./gates.ts";
import { judgeHeldOut } from "./held-out.ts";
import type { AccuracyLookup, EvaluatedVersion, EvaluationRecorded, Scorer, VersionLookup } from "./ports.ts";
import { type EvaluationSet, findSet, insertEvaluation } from "./store.ts";
import { versionToEvaluate } from "./version-to-evaluate.ts";

export const evaluationQueue = "evaluation.run";

export interface EvaluationDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly versions: VersionLookup;
  readonly accuracy: AccuracyLookup;
  readonly scorer: Scorer;
  readonly recorded?: EvaluationRecorded;
}

/** Starts the evaluation of one version on held-out rows; resolves to the job's id. */
export async function startEvaluation(
  deps: EvaluationDeps,
  call: CallContext,
  request: EvaluationRequest,
): Promise<string> {
  const version = await versionToEvaluate(deps, call, request);
  const { useCaseId } = version;
  if (version.speaks === "text") throw textHasNoRows();
  await requireSet(deps, call, request.trainingSetId);
  const { set } = await pairOf(deps, call, request, version);
  return deps.work.write(call, async (tx) => {
    const job = await tx.enqueue({
      queue: evaluationQueue,
      payload: { ...request, versionId: version.id },
      place: { environment: evidenceEnvironment, useCaseId },
    });
    await tx.record({
      event: "evaluation.started",
      subject: version.id,
      detail: { job, trainingSet: set.id, dataset: set.object },
    });
    return job;
  });
}

/** What the caller may not see is a set that does not exist. */
async function requireSet(deps: EvaluationDeps, call: CallContext, id: string): Promise<void> {
  const { organisationId } = call.actor;
  const set = await deps.work.read(call, (sql) => findSet(sql, organisationId, id));
  if (!set) throw setNotFound(id);
  const { environment } = set;
  const owner = set.useCaseId === undefined ? {} : { useCaseId: set.useCaseId };
  const resource = { type: "TrainingSet", id, organisationId, environment, ...owner };
  await requireSeen(deps.authorizer, call, { action: "features:read_training_set", resource }, () =>
    setNotFound(id),
  );
}

/** The rows and what is known of their being held out, or the reason why they cannot judge this version. */
async function pairOf(
  deps: EvaluationDeps,
  call: CallContext,
  request: EvaluationRequest,
  version: EvaluatedVersion,
): Promise<{ readonly set: EvaluationSet; readonly heldOut: HeldOut }> {
  const { organisationId } = call.actor;
  const { set, trainedOn } = await deps.work.read(call, async (sql) => ({
    set: await findSet(sql, organisationId, request.trainingSetId),
    trainedOn:
      version.trainingSetId === undefined
        ? undefined
        : await findSet(sql, organisationId, version.trainingSetId),
  }));
  if (!set) throw setNotFound(request.trainingSetId);
  if (set.useCaseId !== version.useCaseId) throw notHeldOut(set.id, "it belongs to another use case");
  if (set.environment !== evidenceEnvironment)
    throw notHeldOut(set.id, `it was built in ${set.environment}, not in ${evidenceEnvironment}`);
  const origin = { registeredAt: version.registeredAt, ...(trainedOn ? { trainedOn } : {}) };
  const verdict = judgeHeldOut(set, origin);
  switch (verdict.kind) {
    case "judged":
      return { set, heldOut: verdict.heldOut };
    case "refused":
      throw notHeldOut(set.id, verdict.reason);
  }
}

/** Scores in another process, computes the metrics here, and commits metrics, gates and ledger row together. */
export function evaluationJob(deps: EvaluationDeps): JobHandler {
  return {
    queue: evaluationQueue,
    retries: 2,
    async run(job: JobRun) {
      const { versionId: _, ...payload } = job.payload;
      const request = Value.Parse(EvaluationRequest, payload);
      const version = await deps.versions.find(job.call, request.model, request.version);
      const { set, heldOut } = await pairOf(deps, job.call, request, version);
      const measured = await job.effect("score", () => measure(deps, set, version.artifact, job.signal));
      await job.progress(0.9, "scored");
      return job.step("record", async (tx) => {
        const bound = await deps.accuracy.bound(tx.sql, version.useCaseId);
        const evidence = { metrics: Value.Parse(BinaryMetrics, measured), heldOut };
        return recordEvaluation(deps, tx, { request, version, set, evidence }, bound);
      });
    },
  };
}

async function measure(
  deps: EvaluationDeps,
  set: EvaluationSet,
  model: Digest,
  signal: AbortSignal,
): Promise<JsonObject> {
  const dataset = parseDigest(set.object);
  if (!dataset) throw new PortolanError("kernel.internal", { detail: `${set.id} names no object` });
  const { label, features, baseline: column } = set;
  const scored = await deps.scorer.score(
    {
      model,
      dataset,
      labelColumn: label,
      featureColumns: features,
      ...(column === undefined ? {} : { baselineColumn: column }),
    },
    signal,
  );
  const baseline = scored.baseline && column !== undefined ? { column, scores: scored.baseline } : undefined;
  try {
    return binaryMetrics(scored, baseline);
  } catch (cause) {
    if (cause instanceof RangeError) throw notScorable(cause.message);
    throw cause;
  }
}

interface Measured {
  readonly request: EvaluationRequest;
  readonly version: EvaluatedVersion;
  readonly set: EvaluationSet;
  readonly evidence: Evidence;
}

async function recordEvaluation(
  { recorded }: EvaluationDeps,
  tx: Transaction,
  { request, version, set, evidence }: Measured,
  bound: AccuracyBound | undefined,
): Promise<JsonObject> {
  const gates: GateResult[] = bound ? judgeGates(evidence, bound) : [];
  const { metrics, heldOut } = evidence;
  const id = newId("evaluation", tx.now);
  await insertEvaluation(tx.sql, {
    id,
    organisationId: tx.call.actor.organisationId,
    versionId: version.id,
    model: request.model,
    version: request.version,
    artifact: version.artifact,
    trainingSetId: set.id,
    dataset: set.object,
    heldOut,
    metrics,
    gates,
    createdBy: tx.call.actor.id,
    createdAt: tx.now,
  });
  await tx.record({
    event: "evaluation.completed",
    subject: version.id,
    detail: {
      evaluation: id,
      trainingSet: set.id,
      dataset: set.object,
      heldOut: heldOut.shown,
      gates: gates.map((gate) => `${gate.gate}: ${gate.passed ? "passed" : "failed"}`),
    },
  });
  const { model, version: number } = request;
  await recorded?.(tx, { evaluation: id, version: { ...version, model, version: number } });
  return { evaluation: id, heldOut, metrics, gates };
}

function setNotFound(id: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.set_not_found", {
    detail: `there is no ready training set ${id}`,
    mend: "Build one of later rows with POST /v1/training-sets and wait until it is ready.",
  });
}

function notHeldOut(id: string, reason: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.not_held_out", {
    detail: `training set ${id} cannot judge this version: ${reason}`,
    mend: "Build a set of the same definition and use case in production, from the end of the training set on.",
  });
}

function textHasNoRows(): PortolanError {
  return new PortolanError<EvaluationErrorCode>("evaluation.not_scorable", {
    detail: "the version speaks text, and has no rows to be scored on",
    mend: "Ask it a set of cases: portolan model evaluate NAME VERSION --evaluation-set SET.",
  });
}

function notScorable(detail: string): PortolanError {
  return new PortolanError<EvaluationErrorCode>("evaluation.not_scorable", {
    detail,
    mend: "Give held-out rows with both classes, and the model's own feature columns.",
  });
}
