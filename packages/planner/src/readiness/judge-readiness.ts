import { judgeRunning } from "./anti-patterns.ts";
import type { Evidence, UseCaseFacts } from "./evidence.ts";
import type { ReadinessDocument } from "./readiness-schema.ts";
import { judgeFirstModel, type Tick, tickDone, tickRoads } from "./roadmap.ts";
import { byName, type CheckResult, heldSince, scoreReadiness } from "./score.ts";

const mostEvidence = 5;

type CheckDocument = ReadinessDocument["dimensions"][number]["checks"][number];

/** The whole judgement of a use case. Pure: the same facts give the same document. */
export function judgeReadiness(facts: UseCaseFacts): ReadinessDocument {
  const score = scoreReadiness(facts);
  const results = byName(score);
  const done = tickDone(results);
  return {
    useCase: { ...facts.useCase },
    judgedAt: facts.now,
    environments: [...facts.environments],
    score: score.score,
    weakest: score.weakest,
    dimensions: score.dimensions.map((one) => ({
      name: one.dimension,
      score: one.score,
      checks: one.results.map((result) => checkDocument(result, facts.useCase.name)),
    })),
    remaining: remainingOf([...results.values()]),
    antiPatterns: judgeRunning(facts).map((one) => ({ ...one, evidence: newest(one.evidence) })),
    firstModel: judgeFirstModel(facts, results),
    definitionOfDone: { isDone: done.every(({ state }) => state === "done"), items: done.map(tickDocument) },
    roadmaps: tickRoads(facts, results).map(({ name, source, steps }) => ({
      name,
      source,
      steps: steps.map((step) => ({ ...step, ...tickDocument(step) })),
    })),
  };
}

function checkDocument(result: CheckResult, useCase: string): CheckDocument {
  const { check, standing, effort } = result;
  const since = heldSince(result);
  return {
    name: check.name,
    title: check.title,
    state: standing.state,
    evidence: newest(standing.evidence),
    ...(since === undefined ? {} : { heldSince: since }),
    ...(standing.state === "missing" && effort
      ? {
          missing: {
            lacks: [...standing.lacks],
            effort: { ...effort },
            command: check.command.replaceAll("USE_CASE", useCase),
          },
        }
      : {}),
  };
}

function newest(evidence: readonly Evidence[]): Evidence[] {
  return evidence
    .toSorted((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
    .slice(0, mostEvidence)
    .map((one) => ({ ...one }));
}

function tickDocument<T extends Tick>(one: T) {
  return { ...one, missing: [...one.missing], by: [...one.by] };
}

function remainingOf(results: readonly CheckResult[]): ReadinessDocument["remaining"] {
  const efforts = results.flatMap(({ effort }) => effort ?? []);
  const sum = (of: "daysLow" | "daysHigh") =>
    Math.round(efforts.reduce((total, effort) => total + effort[of], 0) * 10) / 10;
  return { daysLow: sum("daysLow"), daysHigh: sum("daysHigh"), checks: efforts.length };
}
