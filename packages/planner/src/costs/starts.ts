import { type Static, Type } from "@portolan/typebox";
import { combine, exactly, mapRange, type Quantity } from "../range.ts";
import type { CostQuestion } from "./cost-line.ts";
import {
  cardBatches,
  ceilingOf,
  coresFor,
  forCosts,
  replicasForLatency,
  type ServingQuestion,
} from "./load.ts";

/** Requests a second that come in addition until a replica answers that is ordered now; never above the ceiling. */
export function riseWhileStarting(question: ServingQuestion): Quantity {
  const { averageRequestsPerSecond, coldStartSeconds, rampMinutes } = question.assumptions;
  const rise = combine(ceilingOf(question), averageRequestsPerSecond.value, (most, average) =>
    Math.max(0, most - average),
  );
  const starts = combine(coldStartSeconds.value, forCosts(rampMinutes), (seconds, minutes) =>
    Math.min(1, seconds / (60 * minutes)),
  );
  return combine(rise, starts, (all, part) => all * part);
}

/**
 * The load that replicas which follow it are ready for, on average: what comes, and what comes in addition while one more starts. Whatever the load does within a month,
 * no more than that is asked for: the ceiling bounds both.
 */
export function loadReadyFor(question: ServingQuestion): Quantity {
  const { averageRequestsPerSecond } = question.assumptions;
  const ready = combine(
    averageRequestsPerSecond.value,
    riseWhileStarting(question),
    (load, rise) => load + rise,
  );
  return combine(ready, ceilingOf(question), Math.min);
}

/** Replicas of a region that are at work on average where they follow the load; as many as at the ceiling at most. */
export function replicasFollowing(question: CostQuestion, atCeiling: Quantity, regions: Quantity): Quantity {
  const load = combine(loadReadyFor(question), regions, (all, count) => all / count);
  const filled = forCosts(question.assumptions.autoscalingFill);
  const work =
    question.tier === "gpu"
      ? combine(
          combine(load, ceilingOf(question), (now, most) => now / most),
          atCeiling,
          (part, all) => part * all,
        )
      : coresFor(question, load);
  const busy = combine(work, filled, (needed, part) => Math.max(1, needed / part));
  return combine(combine(busy, fewestFor(question, load), Math.max), atCeiling, Math.min);
}

/** Those that keep the latency at a load. How many cards that takes is not known where somebody says how many carry the ceiling. */
function fewestFor(question: CostQuestion, load: Quantity): Quantity {
  if (question.tier !== "gpu") return replicasForLatency(question, load);
  return question.assumptions.activeGpus.origin === "stated"
    ? exactly(0)
    : mapRange(cardBatches(question, load), ({ cards }) => cards);
}

/** What a plan reckons with while replicas start. */
export interface PlannedStarts {
  readonly seconds: Quantity;
  /** Requests a second that come in addition meanwhile, where load rises at its fastest. */
  readonly rise: Quantity;
  readonly average: Quantity;
  readonly ceiling: Quantity;
}

export function planStarts(question: CostQuestion): PlannedStarts {
  const { coldStartSeconds, averageRequestsPerSecond } = question.assumptions;
  return {
    seconds: coldStartSeconds.value,
    rise: leastFirst(riseWhileStarting(question)),
    average: averageRequestsPerSecond.value,
    ceiling: ceilingOf(question),
  };
}

/** The cheapest case has the least average, from which the load rises the most: for people the least comes first. */
function leastFirst({ low, expected, high }: Quantity): Quantity {
  return { low: Math.min(low, expected, high), expected, high: Math.max(low, expected, high) };
}

const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });

export const StartsDocument = Type.Object({
  coldStartSeconds: NumberRange,
  riseRequestsPerSecond: Type.Object(NumberRange.properties, {
    description: "That come in addition until a replica answers that is ordered now",
  }),
  averageRequestsPerSecond: NumberRange,
  ceilingRequestsPerSecond: Type.Number({
    description: "Replicas for it run all the time, so that nobody waits for a start",
  }),
});
export type StartsDocument = Static<typeof StartsDocument>;

export function startsJson({ seconds, rise, average, ceiling }: PlannedStarts): StartsDocument {
  const shown = (of: Quantity) => mapRange(of, (value) => Number(value.toPrecision(6)));
  return {
    coldStartSeconds: shown(seconds),
    riseRequestsPerSecond: shown(rise),
    averageRequestsPerSecond: shown(average),
    ceilingRequestsPerSecond: ceiling.expected,
  };
}

/** For people; plans that were kept before there was any have none. */
export function startsText(of: StartsDocument | undefined): string | undefined {
  if (!of) return undefined;
  const { coldStartSeconds, riseRequestsPerSecond: rise, ceilingRequestsPerSecond: ceiling } = of;
  return `a replica answers ${figures(coldStartSeconds)} s after it is ordered, while ${figures(rise)} requests/s more come at the fastest rise; those for the ceiling of ${ceiling} requests/s run all the time, so nobody waits for one (replicas that follow the load are ready for that rise)`;
}

function figures({ low, expected, high }: Quantity): string {
  const figure = (value: number) => String(Number(value.toPrecision(3)));
  return low === high ? figure(expected) : `${figure(expected)} (${figure(low)} to ${figure(high)})`;
}
