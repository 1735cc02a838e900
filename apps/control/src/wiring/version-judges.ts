import {
  comparisonQueue,
  type EvaluationDeps,
  evaluationQueue,
  listComparisons,
  listEvaluations,
  startComparison,
  startEvaluation,
} from "@portolan/evaluation";
import type { Measured } from "@portolan/evaluation/contract";
import type { CallContext, Sql } from "@portolan/kernel";
import type { Elsewhere } from "@portolan/pipelines";
import type { MeasuredPair } from "@portolan/retraining";
import type { Foundation } from "./foundation.ts";
import { cancelJobOf, newestJobOf } from "./keyed-jobs.ts";

/** Evaluations and comparisons as people have them made: what is on record is found, else the job that makes it. */
export function versionJudges(base: Foundation, evaluation: EvaluationDeps): Elsewhere["judges"] {
  const { work } = base;
  const look = async <T>(
    call: CallContext,
    { model, challenger }: Pick<MeasuredPair, "model" | "challenger">,
    job: { readonly queue: string; readonly key: string },
    find: (sql: Sql) => Promise<T | undefined>,
  ): Promise<Measured<T>> => {
    await evaluation.versions.requireSeen(call, model, challenger);
    return work.read(call, async (sql) => {
      const found = await find(sql);
      return found === undefined ? jobStanding(sql, call, job) : { kind: "done", found };
    });
  };
  return {
    evaluation: (call, pair, key) =>
      look(call, pair, { queue: evaluationQueue, key }, async (sql) => {
        const all = await listEvaluations(sql, call.actor.organisationId, pair.model, pair.challenger);
        return all.find(({ trainingSetId }) => trainingSetId === pair.setId);
      }),
    evaluate: async (call, { model, challenger: version, setId: trainingSetId }, key) =>
      void (await startEvaluation(evaluation, call, { model, version, trainingSetId }, key)),
    comparison: (call, pair, key) =>
      look(call, pair, { queue: comparisonQueue, key }, async (sql) => {
        const all = await listComparisons(sql, call.actor.organisationId, pair.model, pair.challenger);
        return all.find(
          ({ champion, trainingSetId }) => champion === pair.champion && trainingSetId === pair.setId,
        );
      }),
    compare: async (call, { model, challenger, champion, setId: trainingSetId }, key) =>
      void (await startComparison(evaluation, call, { model, challenger, champion, trainingSetId }, key)),
    cancel: async (tx, key) => {
      for (const queue of [evaluationQueue, comparisonQueue]) await cancelJobOf(base, tx, { queue, key });
    },
  };
}

async function jobStanding(
  sql: Sql,
  call: CallContext,
  of: { readonly queue: string; readonly key: string },
): Promise<Exclude<Measured<never>, { readonly kind: "done" }>> {
  const job = await newestJobOf(sql, call.actor.organisationId, of);
  switch (job?.state) {
    case undefined:
    case "done":
      return { kind: "not_begun" };
    case "waiting":
    case "running":
    case "retrying":
      return { kind: "under_way" };
    case "failed":
    case "cancelled":
      return { kind: "failed", because: job.error ?? `its job was ${job.state}` };
  }
}
