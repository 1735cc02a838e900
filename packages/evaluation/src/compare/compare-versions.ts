import { evaluatedMetrics, isCompared, isOfUnit, type ReleaseTerms } from "@portolan/charter/contract";
import {
  type CallContext,
  type JobHandler,
  type JobRun,
  type JsonObject,
  newId,
  type Transaction,
} from "@portolan/kernel";
import { Type, Value } from "@portolan/typebox";
import type { EvaluationDeps } from "../evaluate-version.ts";
import { pairOf, requireSet, textHasNoRows } from "../evaluation-rows.ts";
import { evidenceEnvironment } from "../evidence-environment.ts";
import { versionToEvaluate } from "../version-to-evaluate.ts";
import { comparisonLevel, isSupported, ruleOf } from "./challenger-gate.ts";
import { correctedForSets } from "./compare-scores.ts";
import { comparedSets, insertComparison } from "./comparison-store.ts";
import { ComparisonRequest, ComparisonRule } from "./contract.ts";
import { type ComparedPair, MeasuredPair, measurePair, notComparable, otherRows } from "./measure-pair.ts";

export const comparisonQueue = "evaluation.compare";

/**
 * Starts the comparison of a version with the one that it is to replace; resolves to the job's id.
 * @param key of the job, for who must not start it twice: while one of that key is under way, it is the one
 */
export async function startComparison(
  deps: EvaluationDeps,
  call: CallContext,
  request: ComparisonRequest,
  key?: string,
): Promise<string> {
  const challenger = await versionToEvaluate(deps, call, { ...request, version: request.challenger });
  const champion = request.champion ?? (await deps.versions.promoted(call, request.model));
  if (champion === undefined)
    throw notComparable(
      `no version of ${request.model} is promoted in production`,
      "Name the version to compare with: --with VERSION (`champion` of the request).",
    );
  for (const id of new Set([request.trainingSetId, request.championTrainingSetId ?? request.trainingSetId]))
    await requireSet(deps, call, id);
  const terms = await deps.work.read(call, (sql) => deps.release.terms(sql, challenger.useCaseId));
  const rule = ruleFor(request, terms);
  const { task, query } = terms ?? {};
  const asked = {
    ...request,
    champion,
    rule,
    ...(task === undefined ? {} : { task }),
    ...(query === undefined ? {} : { query }),
  };
  const { set } = await pairVersions(deps, call, asked);
  return deps.work.write(call, async (tx) => {
    const job = await tx.enqueue({
      queue: comparisonQueue,
      payload: { ...asked },
      place: { environment: evidenceEnvironment, useCaseId: challenger.useCaseId },
      ...(key === undefined ? {} : { key }),
    });
    await tx.record({
      event: "evaluation.comparison.started",
      subject: challenger.id,
      detail: { job, champion, trainingSet: set.id, dataset: set.object },
    });
    return job;
  });
}

/** The request's own metrics, or the charter's; where it has none, the metric that it bounds. */
function ruleFor(
  { metrics, margins = {} }: ComparisonRequest,
  terms: ReleaseTerms | undefined,
): ComparisonRule {
  if (metrics) {
    const unnamed = Object.keys(margins).find((name) => !metrics.some((metric) => metric === name));
    if (unnamed !== undefined)
      throw notComparable(
        `${unnamed} has a margin and is none of the metrics`,
        "Name it among the metrics, or leave its margin out.",
      );
    requireOneTask(metrics, terms?.task);
    const wide = metrics.find((metric) => isOfUnit(metric) && (margins[metric] ?? 0) >= 1);
    if (wide !== undefined)
      throw notComparable(
        `the margin of ${wide} allows everything: it lies between 0 and 1`,
        "State a margin below 1.",
      );
    return { metrics, margins, level: comparisonLevel };
  }
  if (Object.keys(margins).length > 0)
    throw notComparable(
      "margins are stated, and no metrics",
      "Name the metrics, or leave the margins to the charter.",
    );
  if (terms?.challenger) return ruleOf(terms.challenger);
  const bounded = terms?.accuracy.metric;
  const [first = "roc_auc"] = evaluatedMetrics[terms?.task ?? "binary_classification"].filter(isCompared);
  return ruleOf({ metrics: [bounded !== undefined && isCompared(bounded) ? bounded : first], margins: {} });
}

/** Of a model only some metrics are measured, by what it answers. */
function requireOneTask(metrics: ComparisonRule["metrics"], task: ReleaseTerms["task"]): void {
  const measured = evaluatedMetrics[task ?? "binary_classification"].filter(isCompared);
  const other = metrics.find((metric) => !measured.includes(metric));
  if (other !== undefined)
    throw notComparable(
      `${other} is not measured of ${task ?? "binary_classification"}`,
      `Name some of ${measured.join(", ")}.`,
    );
}

const Asked = Type.Object({
  ...ComparisonRequest.properties,
  champion: Type.Integer(),
  rule: ComparisonRule,
  // Absent without a charter, and of what was asked before it was kept.
  task: Type.Optional(Type.Enum(Object.keys(evaluatedMetrics) as (keyof typeof evaluatedMetrics)[])),
  query: Type.Optional(Type.String()),
});
interface Asked extends ComparisonRequest {
  readonly champion: number;
  readonly rule: ComparisonRule;
  readonly task?: ReleaseTerms["task"];
  readonly query?: string;
}

/** Both versions and the rows of each, or the reason why the two cannot be compared on them. */
async function pairVersions(deps: EvaluationDeps, call: CallContext, asked: Asked): Promise<ComparedPair> {
  const { model, trainingSetId, championTrainingSetId = trainingSetId } = asked;
  if (asked.champion === asked.challenger)
    throw notComparable(
      `version ${asked.challenger} of ${model} is the champion itself`,
      "Name two versions.",
    );
  const challenger = await deps.versions.find(call, model, asked.challenger);
  const champion = await deps.versions.find(call, model, asked.champion);
  if (challenger.speaks === "text" || champion.speaks === "text") throw textHasNoRows();
  const named = (version: number) => `version ${version}`;
  const ours = await pairOf(deps, call, { trainingSetId }, challenger, named(asked.challenger));
  const theirSet = { trainingSetId: championTrainingSetId };
  const theirs = await pairOf(deps, call, theirSet, champion, named(asked.champion));
  const [set, championSet] = [ours.set, theirs.set];
  if (set.dataset !== championSet.dataset || set.from !== championSet.from || set.to !== championSet.to)
    throw otherRows(set.id, championSet.id);
  const both = [ours.heldOut, theirs.heldOut];
  const doubtful = both.find(({ shown }) => !shown);
  return { challenger, champion, set, championSet, heldOut: doubtful ?? ours.heldOut };
}

/** Scores both versions now, on the same rows, and commits what the two differ by with its ledger row. */
export function comparisonJob(deps: EvaluationDeps): JobHandler {
  return {
    queue: comparisonQueue,
    retries: 2,
    async run(job: JobRun) {
      const asked = Value.Parse(Asked, job.payload);
      const pair = await pairVersions(deps, job.call, asked);
      const measured = await job.effect("score", () => measurePair(deps, pair, asked, job));
      const found = Value.Parse(MeasuredPair, measured);
      return job.step("record", (tx) => recordComparison(tx, asked, pair, found));
    },
  };
}

async function recordComparison(
  tx: Transaction,
  { model, challenger, champion, rule }: Asked,
  { set, championSet, heldOut, ...versions }: ComparedPair,
  { values: measured, ...size }: MeasuredPair,
): Promise<JsonObject> {
  const id = newId("comparison", tx.now);
  const asked = [versions.challenger.id, versions.champion.id] as const;
  const tried = await comparedSets(tx.sql, ...asked);
  const setsTried = tried.has(set.object) ? tried.size : tried.size + 1;
  const values = correctedForSets(measured, setsTried, rule.level);
  const found = {
    id,
    model,
    challenger,
    champion,
    challengerVersionId: versions.challenger.id,
    championVersionId: versions.champion.id,
    trainingSetId: set.id,
    championTrainingSetId: championSet.id,
    dataset: set.object,
    heldOut,
    ...size,
    setsTried,
    rule,
    values,
    isBetter: isSupported(size) && values.every(({ isShown }) => isShown),
    createdAt: tx.now,
  };
  const { organisationId, id: createdBy } = tx.call.actor;
  await insertComparison(tx.sql, { ...found, organisationId, createdBy });
  await tx.record({
    event: "evaluation.comparison.completed",
    subject: versions.challenger.id,
    detail: {
      comparison: id,
      champion: versions.champion.id,
      trainingSet: set.id,
      dataset: set.object,
      heldOut: heldOut.shown,
      isBetter: found.isBetter,
      setsTried,
      values: values.map((one) => `${one.metric}: ${one.isShown ? "shown" : "not shown"}`),
    },
  });
  return found;
}
