import type { ReleaseTerms } from "@portolan/charter/contract";
import {
  type Authorizer,
  type CallContext,
  type JobHandler,
  type JobRun,
  type JsonObject,
  newId,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import { EvaluationRequest, type GateResult, RowMetrics } from "./contract.ts";
import { pairOf, requireSet, textHasNoRows } from "./evaluation-rows.ts";
import { evidenceEnvironment } from "./evidence-environment.ts";
import { type Evidence, judgeGates } from "./gates.ts";
import { measureRows } from "./measure-rows.ts";
import type {
  ComputeLookup,
  EvaluatedVersion,
  EvaluationRecorded,
  Prober,
  ReleaseLookup,
  Scorer,
  VersionLookup,
} from "./ports.ts";
import { ProbeReports } from "./probes/contract.ts";
import { probeRequest } from "./probes/probe-request.ts";
import { type EvaluationSet, insertEvaluation } from "./store.ts";
import { versionToEvaluate } from "./version-to-evaluate.ts";

export const evaluationQueue = "evaluation.run";

export interface EvaluationDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly versions: VersionLookup;
  readonly release: ReleaseLookup;
  readonly scorer: Scorer;
  readonly prober: Prober;
  readonly compute: ComputeLookup;
  readonly recorded?: EvaluationRecorded;
}

/**
 * Starts the evaluation of one version on held-out rows; resolves to the job's id.
 * @param key of the job, for who must not start it twice: while one of that key is under way, it is the one
 */
export async function startEvaluation(
  deps: EvaluationDeps,
  call: CallContext,
  request: EvaluationRequest,
  key?: string,
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
      ...(key === undefined ? {} : { key }),
    });
    await tx.record({
      event: "evaluation.started",
      subject: version.id,
      detail: { job, trainingSet: set.id, dataset: set.object },
    });
    return job;
  });
}

/** Scores in another process, computes the metrics in a thread of their own, and commits metrics, gates and ledger row together. */
export function evaluationJob(deps: EvaluationDeps): JobHandler {
  return {
    queue: evaluationQueue,
    retries: 2,
    async run(job: JobRun) {
      const { versionId: _, ...payload } = job.payload;
      const request = Value.Parse(EvaluationRequest, payload);
      const version = await deps.versions.find(job.call, request.model, request.version);
      const { set, heldOut, trainedOn } = await pairOf(deps, job.call, request, version);
      const terms = await deps.work.read(job.call, (sql) => deps.release.terms(sql, version.useCaseId));
      const asked = { model: version.artifact, set, slices: request.slices ?? [], terms };
      const measured = await job.effect("score", () => measureRows(deps, asked, job.signal));
      const probes = probeRequest(version.artifact, { set, trainedOn }, terms, request.probes);
      await job.progress(0.5, "scored");
      const probed = probes
        ? await job.effect("probe", async () => ({ ...(await deps.prober.probe(probes, job.signal)) }))
        : {};
      await job.progress(0.9, "measured");
      return job.step("record", async (tx) => {
        const now = await deps.release.terms(tx.sql, version.useCaseId);
        const compute = await deps.compute.find(tx.sql, version.id);
        const metrics = {
          ...Value.Parse(RowMetrics, measured),
          ...Value.Parse(ProbeReports, probed),
          ...(compute ? { compute } : {}),
        };
        const evidence = { metrics, heldOut };
        return recordEvaluation(deps, tx, { request, version, set, evidence }, now);
      });
    },
  };
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
  terms: ReleaseTerms | undefined,
): Promise<JsonObject> {
  const gates: GateResult[] = terms ? judgeGates(evidence, terms) : [];
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
