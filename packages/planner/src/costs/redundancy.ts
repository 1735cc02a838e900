import { assumedAvailabilities, type RedundancyAnswer, redundancyFor } from "@portolan/capacity/policy";
import { termsOf } from "@portolan/charter/policy";
import { isPortolanError } from "@portolan/kernel";
import { type Assumption, type Assumptions, redundantReplicas } from "../assumptions.ts";
import { combine, exactly, mapRange, type Quantity, times } from "../range.ts";
import { replicasNeeded, type ServingQuestion } from "./load.ts";
import { regionsAllowed } from "./regions.ts";

/** How many replicas answer, where, and why so many. */
export interface PlannedRedundancy {
  /** That have to be up at the charter's ceiling, in whichever region is left. */
  readonly needed: Quantity;
  readonly regions: Quantity;
  /** Beside the needed ones of each region, all regions together. */
  readonly beside: Quantity;
  /** All that are run. */
  readonly replicas: Quantity;
  /** 0 to 1, what the charter promises. */
  readonly target: number;
  /** Of the expected case; absent where nothing is reckoned: on one machine, at the edge, or where this plan states how many. */
  readonly layout?: {
    readonly regions: number;
    readonly zones: number;
    readonly serving: number;
    readonly canary: number;
    readonly spare: number;
    readonly availability: number;
  };
  /** Somebody said how many, or in how many regions. */
  readonly isStated: boolean;
  /** Why no number of replicas keeps the promise. */
  readonly impossible?: string;
}

/** Zones and regions that may be used: of a cloud, and rooms and sites of one's own. */
const places = {
  cloud: { mostZones: 3, mostRegions: 2 },
  on_prem: { mostZones: 2, mostRegions: 2 },
} as const;

/**
 * Replicas for the charter's ceiling and its availability (C45). Those that serve are the fewest that keep enough of them up in zones and regions; from 99 % on there is a
 * spare, from 99.9 % on one for canaries. Whoever states replicas or regions for this plan is taken at their word.
 */
export function planRedundancy(question: ServingQuestion): PlannedRedundancy {
  const { document, assumptions, inference } = question;
  const { redundantReplicas: each, servingRegions } = assumptions;
  const { availability: target } = termsOf(document);
  const needed = replicasNeeded(question);
  const isStated = each.origin === "stated" || servingRegions.origin === "stated";
  const byRule = withTotal({
    needed,
    target,
    isStated,
    regions: servingRegions.value,
    beside: times(
      each.origin === "stated" ? each.value : exactly(redundantReplicas(target)),
      servingRegions.value,
    ),
  });
  if (isStated || (inference !== "cloud" && inference !== "on_prem")) return byRule;
  const { mostZones, mostRegions } = places[inference];
  const beyond = { canary: target >= 0.999 ? 1 : 0, spare: target >= 0.99 ? 1 : 0 };
  const of = (count: number): RedundancyAnswer =>
    answerOnce({
      mostZones,
      mostRegions: Math.max(1, Math.min(mostRegions, regionsAllowed(document))),
      ...beyond,
      needed: Math.ceil(count),
      target,
    });
  try {
    const { regions, zones, serving, availability } = of(needed.expected).layout;
    const inEach = mapRange(needed, (count) => of(count).layout.regions);
    const all = mapRange(needed, (count) => of(count).instances);
    return {
      ...withTotal({
        needed,
        target,
        isStated,
        regions: inEach,
        beside: combine(
          all,
          combine(needed, inEach, (count, many) => count * many),
          (total, busy) => Math.max(0, total - busy),
        ),
      }),
      layout: { regions, zones, serving, availability, ...beyond },
    };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "capacity.availability_impossible") throw error;
    return { ...byRule, impossible: error.detail ?? "no number of replicas keeps it" };
  }
}

function withTotal(of: Omit<PlannedRedundancy, "replicas">): PlannedRedundancy {
  const busy = combine(of.needed, of.regions, (count, many) => count * many);
  return { ...of, replicas: combine(busy, of.beside, (a, b) => a + b) };
}

/** A plan is made many times over for its levers and asks for the same few. */
const found = new Map<string, RedundancyAnswer>();
const mostFound = 1000;

type Asked = Omit<Parameters<typeof redundancyFor>[0], keyof typeof assumedAvailabilities>;

function answerOnce(asked: Asked): RedundancyAnswer {
  const key = Object.values(asked).join(" ");
  const answer = found.get(key) ?? redundancyFor({ ...assumedAvailabilities, ...asked });
  if (found.size >= mostFound) found.clear();
  found.set(key, answer);
  return answer;
}

/** The plan's figures with what was reckoned in the place of the rules of thumb; stated ones stay. */
export function withRedundancy(
  assumptions: Assumptions,
  planned: PlannedRedundancy | undefined,
): Assumptions {
  if (planned?.layout === undefined) return assumptions;
  const { target, regions, beside } = planned;
  const note = `reckoned for ${Number((100 * target).toPrecision(12))} %`;
  const reckoned = (of: Assumption, value: Quantity): Assumption =>
    of.origin === "stated" ? of : { ...of, value, note };
  return {
    ...assumptions,
    servingRegions: reckoned(assumptions.servingRegions, regions),
    redundantReplicas: reckoned(
      assumptions.redundantReplicas,
      combine(beside, regions, (all, many) => all / many),
    ),
  };
}
