import { replicasFor } from "@portolan/capacity/policy";
import { termsOf } from "@portolan/charter/policy";
import { isPortolanError } from "@portolan/kernel";
import { type Assumption, cheapestFirst } from "../assumptions.ts";
import { combine, exactly, mapRange, type Quantity, type Range } from "../range.ts";
import { kindOf } from "./assumption-catalogue.ts";
import type { CostQuestion } from "./cost-line.ts";

/** What decides how many replicas answer. */
export type ServingQuestion = Pick<CostQuestion, "document" | "assumptions" | "tier" | "inference">;

/** The case of an assumption that goes with the low, expected and high cost. */
export function forCosts({ key, value }: Assumption): Quantity {
  return kindOf(key).moreIsCheaper ? cheapestFirst(value) : value;
}

/** Cores that requests a second take, none of them busier than planned. */
export function coresFor({ assumptions }: Pick<ServingQuestion, "assumptions">, load: Quantity): Quantity {
  return combine(
    combine(load, assumptions.cpuMsPerPrediction.value, (rps, ms) => (rps * ms) / 1000),
    forCosts(assumptions.plannedUtilisation),
    (work, most) => work / most,
  );
}

/** Cores at the charter's ceiling. */
export function coresAtCeiling(question: ServingQuestion): Quantity {
  return coresFor(question, ceilingOf(question));
}

export function ceilingOf({ document }: Pick<ServingQuestion, "document">): Quantity {
  return exactly(termsOf(document).rateLimit.requestsPerSecond);
}

/** Replicas that have to be up at the charter's ceiling: no busier than planned, and enough for the latency that is promised. */
export function replicasNeeded(question: ServingQuestion): Quantity {
  return question.tier === "gpu"
    ? question.assumptions.activeGpus.value
    : combine(
        mapRange(coresAtCeiling(question), (cores) => Math.max(1, Math.ceil(cores))),
        replicasForLatency(question, ceilingOf(question)),
        Math.max,
      );
}

/**
 * The fewest replicas of a core each that answer 95 of 100 requests within the charter's p95, the wait for a free one included (Erlang C, requests of one size).
 * 0 where nothing is to be waited for: in batches, at the edge, on cards, which answer several at once, and where no number would do (`latencyImpossible`).
 */
export function replicasForLatency(question: ServingQuestion, load: Quantity): Quantity {
  return mapRange(askedOfLatency(question, load), (asked) => {
    const answer = asked === undefined ? 0 : answerOnce(asked);
    return typeof answer === "number" ? answer : 0;
  });
}

/** Why no number of replicas keeps the charter's p95, case by case; `undefined` where one does. */
export function latencyImpossible(question: ServingQuestion): Range<string | undefined> {
  return mapRange(askedOfLatency(question, ceilingOf(question)), (asked) => {
    const answer = asked === undefined ? 0 : answerOnce(asked);
    return typeof answer === "number" ? undefined : answer.why;
  });
}

interface Asked {
  readonly perSecond: number;
  readonly serviceSeconds: number;
  readonly withinSeconds: number;
}

function askedOfLatency(
  { document, assumptions, tier }: ServingQuestion,
  load: Quantity,
): Range<Asked | undefined> {
  const { latencyClass, latencyMsP95 } = termsOf(document);
  return mapRange(load, (perSecond, which) => {
    const ms = assumptions.cpuMsPerPrediction.value[which];
    return tier !== "cpu" || latencyClass === "batch" || perSecond <= 0 || ms <= 0
      ? undefined
      : { perSecond, serviceSeconds: ms / 1000, withinSeconds: latencyMsP95 / 1000 };
  });
}

type Answer = number | { readonly why: string };

/** A plan is made many times over for its levers and asks for the same few. */
const found = new Map<string, Answer>();
const mostFound = 1000;

function answerOnce(asked: Asked): Answer {
  const key = `${asked.perSecond} ${asked.serviceSeconds} ${asked.withinSeconds}`;
  const answer = found.get(key) ?? answerOf(asked);
  if (found.size >= mostFound) found.clear();
  found.set(key, answer);
  return answer;
}

function answerOf(asked: Asked): Answer {
  try {
    return replicasFor({
      ...asked,
      peak: 1,
      times: "constant",
      share: 0.95,
      batch: 1,
      batchWaitSeconds: 0,
      spare: 0,
    }).needed;
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    if (error.code === "capacity.objective_impossible") return { why: error.detail ?? "it takes too long" };
    // So many wait for nobody: what keeps them from being too busy is more than what their latency asks for.
    if (error.code === "capacity.too_many_replicas") return 0;
    throw error;
  }
}
