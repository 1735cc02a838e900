import type { ReleaseTerms } from "@portolan/charter/contract";
import {
  type CallContext,
  type JobHandler,
  type JobRun,
  type JsonObject,
  newId,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import type { EvaluationErrorCode } from "../errors.ts";
import { evidenceEnvironment } from "../evidence-environment.ts";
import type { EvaluatedVersion, TextEvaluationDeps } from "../ports.ts";
import { versionToEvaluate } from "../version-to-evaluate.ts";
import { TextEvaluationRequest, type TextSet } from "./contract.ts";
import { faithfulnessReport, sourceOf } from "./judge/faithfulness.ts";
import { insertVerdicts } from "./judge/verdict-store.ts";
import { answersOf, type TextAnswers } from "./text-answers.ts";
import type { TextCases } from "./text-case.ts";
import { judgeTextGates, statedHeldOut, textMetrics } from "./text-gates.ts";
import { readCasesOf, requireTextSet } from "./text-sets.ts";
import { insertTextEvaluation } from "./text-store.ts";

export const textEvaluationQueue = "evaluation.text";

/** Starts the evaluation of one text version by a set of cases; resolves to the job's id. */
export async function startTextEvaluation(
  deps: TextEvaluationDeps,
  call: CallContext,
  request: TextEvaluationRequest,
): Promise<string> {
  const version = await versionToEvaluate(deps, call, request);
  const { useCaseId } = version;
  const set = await fittingSet(deps, call, request, version);
  const judge = await judgeOf(deps, call, request, version);
  requireFit(await readCasesOf(deps, set), judge);
  return deps.work.write(call, async (tx) => {
    const job = await tx.enqueue({
      queue: textEvaluationQueue,
      payload: { ...request },
      place: { environment: evidenceEnvironment, useCaseId },
    });
    await tx.record({
      event: "evaluation.started",
      subject: version.id,
      detail: {
        job,
        set: set.id,
        cases: set.object,
        ...(request.judge ? { judge: `${request.judge.model}/${request.judge.version}` } : {}),
      },
    });
    return job;
  });
}

async function fittingSet(
  deps: TextEvaluationDeps,
  call: CallContext,
  request: TextEvaluationRequest,
  version: EvaluatedVersion,
): Promise<TextSet> {
  const set = await requireTextSet(deps, call, request.setId);
  if (version.speaks !== "text")
    throw notText(
      `${request.model} version ${request.version} takes tensors`,
      "Evaluate it on held-out rows: portolan model evaluate NAME VERSION --training-set ID.",
    );
  if (set.useCaseId !== version.useCaseId)
    throw notText(
      `set ${set.name} belongs to another use case`,
      "Register the cases for the version's use case: portolan evaluation-set add.",
    );
  return set;
}

/** The version that is to judge: another one of the same use case, so that the same charter says where its cases may go. */
async function judgeOf(
  deps: TextEvaluationDeps,
  call: CallContext,
  { judge }: TextEvaluationRequest,
  judged: EvaluatedVersion,
): Promise<EvaluatedVersion | undefined> {
  if (!judge) return undefined;
  const version = await versionToEvaluate(deps, call, judge);
  const named = `${judge.model} version ${judge.version}`;
  if (version.speaks !== "text") throw noJudge(`${named} takes tensors`);
  if (version.useCaseId !== judged.useCaseId) throw noJudge(`${named} belongs to another use case`);
  if (version.artifact === judged.artifact) throw noJudge(`${named} would judge itself`);
  return version;
}

/** @throws PortolanError `evaluation.no_judge` for cases with a source and nobody to judge, or a judge and nothing to judge */
function requireFit({ cases }: TextCases, judge: EvaluatedVersion | undefined): void {
  const judged = cases.filter((one) => sourceOf(one) !== undefined).length;
  if (judged > 0 && !judge) throw noJudge(`${judged} cases have a source, and no judge is named`);
  if (judged === 0 && judge) throw noJudge("no case of the set has a source (faithfulTo)");
}

function noJudge(detail: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.no_judge", {
    detail,
    mend: "Name another text version of the same use case: portolan model evaluate NAME VERSION --evaluation-set SET --judge NAME/VERSION.",
  });
}

/**
 * Asks the cases chunk by chunk, each once although the process is killed between them, and commits metrics, gates and ledger row
 * together.
 */
export function textEvaluationJob(deps: TextEvaluationDeps): JobHandler {
  return {
    queue: textEvaluationQueue,
    retries: 2,
    async run(job: JobRun) {
      const request = Value.Parse(TextEvaluationRequest, job.payload);
      const version = await deps.versions.find(job.call, request.model, request.version);
      const set = await fittingSet(deps, job.call, request, version);
      const judge = await judgeOf(deps, job.call, request, version);
      const cases = await readCasesOf(deps, set);
      requireFit(cases, judge);
      const { objects, work } = deps;
      await using model = await deps.asker.open(version.artifact);
      await using judging = judge && (await deps.asker.open(judge.artifact));
      const named = judge && judging ? { judge: { model: judging, artifact: judge.artifact } } : {};
      const answers = await answersOf({ objects, work, model, ...named }, job, cases);
      // Awaited here: both are closed after it, and a rejection that nobody awaits meanwhile ends the process.
      return await job.step("record", async (tx) => {
        const terms = await deps.release.terms(tx.sql, version.useCaseId);
        return recordEvaluation(deps, tx, { request, version, set, answers, judge }, terms);
      });
    },
  };
}

interface Answered {
  readonly request: TextEvaluationRequest;
  readonly version: EvaluatedVersion;
  readonly set: TextSet;
  readonly answers: TextAnswers;
  readonly judge: EvaluatedVersion | undefined;
}

async function recordEvaluation(
  { artifacts, recorded }: TextEvaluationDeps,
  tx: Transaction,
  { request, version, set, answers: { tally, object, judged, verdicts }, judge }: Answered,
  terms: ReleaseTerms | undefined,
): Promise<JsonObject> {
  const faithfulness =
    judge && request.judge
      ? faithfulnessReport({ ...request.judge, artifact: judge.artifact }, judged)
      : undefined;
  const metrics = textMetrics(tally, faithfulness);
  if (judge) {
    const { organisationId } = tx.call.actor;
    await insertVerdicts(tx.sql, { organisationId, judge: judge.artifact, now: tx.now }, verdicts);
  }
  const heldOut = statedHeldOut(set);
  const gates = terms ? judgeTextGates({ metrics, heldOut }, terms) : [];
  const id = newId("evaluation", tx.now);
  await insertTextEvaluation(tx.sql, {
    id,
    organisationId: tx.call.actor.organisationId,
    versionId: version.id,
    model: request.model,
    version: request.version,
    artifact: version.artifact,
    setId: set.id,
    results: object,
    heldOut,
    metrics,
    gates,
    createdBy: tx.call.actor.id,
    createdAt: tx.now,
  });
  const at = { environment: evidenceEnvironment, useCaseId: version.useCaseId } as const;
  await artifacts.note(tx, at, [{ digest: object, kind: "evaluation_results" }]);
  await tx.record({
    event: "evaluation.completed",
    subject: version.id,
    detail: {
      evaluation: id,
      set: set.id,
      cases: set.object,
      results: object,
      passed: metrics.passed,
      of: metrics.cases,
      heldOut: heldOut.shown,
      gates: gates.map((gate) => `${gate.gate}: ${gate.passed ? "passed" : "failed"}`),
    },
  });
  const { model, version: number } = request;
  await recorded?.(tx, { evaluation: id, version: { ...version, model, version: number } });
  return { evaluation: id, results: object, heldOut, metrics, gates };
}

function notText(detail: string, mend: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.not_text", { detail, mend });
}
