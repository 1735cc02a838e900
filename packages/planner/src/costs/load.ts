import { replicasFor } from "@portolan/capacity/policy";
import { termsOf } from "@portolan/charter/policy";
import { isPortolanError } from "@portolan/kernel";
import { type Assumption, type Assumptions, cheapestFirst } from "../assumptions.ts";
import { combine, exactly, mapRange, type Quantity, type Range } from "../range.ts";
import { type CardBatches, type CardsAsked, cardsFor } from "./answering-cards.ts";
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
  if (question.tier === "gpu")
    return question.assumptions.activeGpus.origin === "stated"
      ? question.assumptions.activeGpus.value
      : mapRange(cardBatches(question, ceilingOf(question)), ({ cards }) => cards);
  return combine(
    mapRange(coresAtCeiling(question), (cores) => Math.max(1, Math.ceil(cores))),
    replicasForLatency(question, ceilingOf(question)),
    Math.max,
  );
}

/**
 * The fewest replicas of a core each that answer 95 of 100 requests within the charter's p95, the wait for a free one included (Erlang C, requests of one size).
 * 0 where nothing is to be waited for: in batches, at the edge, on cards, which answer several at once (`cardBatches`), and where no number would do (`latencyImpossible`).
 */
export function replicasForLatency(question: ServingQuestion, load: Quantity): Quantity {
  return mapRange(askedOfLatency(question, load), (asked) => {
    const answer = asked === undefined ? 0 : answerOnce(asked);
    return typeof answer === "number" ? answer : 0;
  });
}

/** Cards that carry a load, case by case, and the batches in which they do. */
export function cardBatches(
  { document, assumptions }: Pick<ServingQuestion, "document" | "assumptions">,
  load: Quantity,
): Range<CardBatches> {
  const { latencyClass, latencyMsP95 } = termsOf(document);
  const { cardBatchMs, cardRequestMs, cardBatchRequests, plannedUtilisation } = assumptions;
  const [requests, busy] = [forCosts(cardBatchRequests), forCosts(plannedUtilisation)];
  return mapRange(load, (perSecond, which) =>
    cardsOnce({
      perSecond,
      ...(latencyClass === "batch" ? {} : { withinSeconds: latencyMsP95 / 1000 }),
      share: answeredInTime,
      batchMs: cardBatchMs.value[which],
      requestMs: cardRequestMs.value[which],
      mostRequests: requests[which],
      mostBusy: busy[which],
    }),
  );
}

/** What cards carry the charter's ceiling; absent where none answer, and where this plan says how many. */
export function cardsAtCeiling(question: ServingQuestion): Range<CardBatches> | undefined {
  return question.tier === "gpu" && question.assumptions.activeGpus.origin !== "stated"
    ? cardBatches(question, ceilingOf(question))
    : undefined;
}

/** The plan's figures with the cards that were reckoned. */
export function withCards(assumptions: Assumptions, batches: Range<CardBatches> | undefined): Assumptions {
  if (batches === undefined) return assumptions;
  const { batch, waitMs, takesMs } = batches.expected;
  const ms = (value: number) => `${Number(value.toPrecision(3))} ms`;
  const note = `reckoned for the ceiling and the p95: batches of up to ${batch}, whose first request waits ${ms(waitMs)} at most, take ${ms(takesMs)}`;
  const value = mapRange(batches, ({ cards }) => cards);
  return { ...assumptions, activeGpus: { ...assumptions.activeGpus, value, note } };
}

/** Why no number of replicas keeps the charter's p95, case by case; `undefined` where one does. */
export function latencyImpossible(question: ServingQuestion): Range<string | undefined> {
  const ceiling = ceilingOf(question);
  if (question.tier === "gpu")
    return mapRange(cardBatches(question, ceiling), ({ impossible }) => impossible);
  return mapRange(askedOfLatency(question, ceiling), (asked) => {
    const answer = asked === undefined ? 0 : answerOnce(asked);
    return typeof answer === "number" ? undefined : answer.why;
  });
}

/** What a p95 promises. */
const answeredInTime = 0.95;

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

const foundCards = new Map<string, CardBatches>();

function cardsOnce(asked: CardsAsked): CardBatches {
  const key = Object.values(asked).join(" ");
  const answer = foundCards.get(key) ?? cardsFor(asked);
  if (foundCards.size >= mostFound) foundCards.clear();
  foundCards.set(key, answer);
  return answer;
}

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
      share: answeredInTime,
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
