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
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { Value } from "typebox/value";
import { binaryMetrics } from "./binary-metrics.ts";
import { BinaryMetrics, EvaluationRequest, type GateResult } from "./contract.ts";
import type { EvaluationErrorCode } from "./errors.ts";
import { judgeGates } from "./gates.ts";
import type { AccuracyLookup, Scorer, VersionLookup } from "./ports.ts";
import { insertEvaluation } from "./store.ts";

export const evaluationQueue = "evaluation.run";

export interface EvaluationDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly versions: VersionLookup;
  readonly accuracy: AccuracyLookup;
  readonly scorer: Scorer;
}

/** Starts the evaluation of one version on held-out rows; resolves to the job's id. */
export async function startEvaluation(
  deps: EvaluationDeps,
  call: CallContext,
  request: EvaluationRequest,
): Promise<string> {
  const version = await deps.versions.find(call, request.model, request.version);
  await deps.authorizer.require(call, "evaluation:run", {
    type: "Model",
    id: request.model,
    organisationId: call.actor.organisationId,
    useCaseId: version.useCaseId,
    // An evaluation is what lets a version out of dev: a dev credential makes no such evidence.
    environment: "production",
  });
  return deps.work.write(call, async (tx) => {
    const job = await tx.enqueue({ queue: evaluationQueue, payload: { ...request, versionId: version.id } });
    await tx.record({
      event: "evaluation.started",
      subject: version.id,
      detail: { job, dataset: request.dataset },
    });
    return job;
  });
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
      const measured = await job.effect("score", () => measure(deps, request, version.artifact, job.signal));
      await job.progress(0.9, "scored");
      return job.step("record", async (tx) => {
        const bound = await deps.accuracy.bound(tx.sql, version.useCaseId);
        return recordEvaluation(tx, request, version, Value.Parse(BinaryMetrics, measured), bound);
      });
    },
  };
}

async function measure(
  deps: EvaluationDeps,
  request: EvaluationRequest,
  model: Digest,
  signal: AbortSignal,
): Promise<JsonObject> {
  const dataset = parseDigest(request.dataset);
  if (!dataset) throw notScorable(`${request.dataset.slice(0, 80)} is not a digest`);
  const { baselineColumn } = request;
  const scored = await deps.scorer.score(
    {
      model,
      dataset,
      labelColumn: request.labelColumn,
      featureColumns: request.featureColumns,
      ...(baselineColumn === undefined ? {} : { baselineColumn }),
    },
    signal,
  );
  const baseline =
    scored.baseline && baselineColumn !== undefined
      ? { column: baselineColumn, scores: scored.baseline }
      : undefined;
  try {
    return binaryMetrics(scored, baseline);
  } catch (cause) {
    if (cause instanceof RangeError) throw notScorable(cause.message);
    throw cause;
  }
}

async function recordEvaluation(
  tx: Transaction,
  request: EvaluationRequest,
  version: { readonly id: string; readonly artifact: Digest },
  metrics: BinaryMetrics,
  bound: AccuracyBound | undefined,
): Promise<JsonObject> {
  const gates: GateResult[] = bound ? judgeGates(metrics, bound) : [];
  const id = newId("evaluation", tx.now);
  await insertEvaluation(tx.sql, {
    id,
    organisationId: tx.call.actor.organisationId,
    versionId: version.id,
    model: request.model,
    version: request.version,
    artifact: version.artifact,
    dataset: request.dataset,
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
      dataset: request.dataset,
      gates: gates.map((gate) => `${gate.gate}: ${gate.passed ? "passed" : "failed"}`),
    },
  });
  return { evaluation: id, metrics, gates };
}

function notScorable(detail: string): PortolanError {
  return new PortolanError<EvaluationErrorCode>("evaluation.not_scorable", {
    detail,
    mend: "Give held-out rows with both classes, and the model's own feature columns.",
  });
}
