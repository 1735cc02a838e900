import { assumedAvailabilities, type RedundancyAnswer, redundancyFor } from "@portolan/capacity/policy";
import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { isPortolanError } from "@portolan/kernel";
import type { Assumptions } from "./assumptions.ts";
import type { Placement } from "./price-book.ts";
import { exactly, mapRange, type Quantity } from "./range.ts";
import type { Tier } from "./tier.ts";

/** How many replicas answer, and why so many. */
export interface PlannedRedundancy {
  /** That have to be up at the charter's ceiling. */
  readonly needed: Quantity;
  /** All that are run. */
  readonly replicas: Quantity;
  /** 0 to 1, what the charter promises. */
  readonly target: number;
  /** Of the expected case; absent where there are no zones: on one machine, at the edge. */
  readonly layout?: {
    readonly regions: number;
    readonly zones: number;
    readonly serving: number;
    readonly canary: number;
    readonly spare: number;
    readonly availability: number;
  };
  /** Why no number of replicas keeps the promise. */
  readonly impossible?: string;
}

/** A replica is planned to be busy this much, so that peaks find room. */
const plannedUtilisation = 0.6;

/** Zones and regions that may be used: of a cloud, and rooms and sites of one's own. */
const places = {
  cloud: { mostZones: 3, mostRegions: 2 },
  on_prem: { mostZones: 2, mostRegions: 2 },
} as const;

/** Beside the busy ones where nothing is reckoned: a second one active, one for canaries, one spare (the articles' four GPUs). */
export function redundantReplicas(availability: number): number {
  if (availability >= 0.999) return 3;
  return availability >= 0.99 ? 1 : 0;
}

/**
 * Replicas for the charter's ceiling and its availability (C45). Those that serve are the fewest that keep enough of them up in zones and regions; from 99 % on there is a
 * spare, from 99.9 % on one for canaries.
 */
export function planRedundancy(
  document: CharterDocument,
  assumptions: Assumptions,
  tier: Tier,
  inference: Placement,
): PlannedRedundancy {
  const { availability: target, rateLimit } = termsOf(document);
  // A GPU answers a batch at once: one carries the ceiling.
  const needed =
    tier === "gpu"
      ? exactly(1)
      : mapRange(assumptions.cpuMsPerPrediction.value, (ms) =>
          Math.max(1, Math.ceil((rateLimit.requestsPerSecond * ms) / 1000 / plannedUtilisation)),
        );
  const counted = {
    needed,
    target,
    replicas: mapRange(needed, (count) => count + redundantReplicas(target)),
  };
  if (inference !== "cloud" && inference !== "on_prem") return counted;
  const beyond = { canary: target >= 0.999 ? 1 : 0, spare: target >= 0.99 ? 1 : 0 };
  const found = new Map<number, RedundancyAnswer>();
  // Often the cases need the same number.
  const of = (count: number): RedundancyAnswer => {
    const asked = { ...assumedAvailabilities, ...places[inference], ...beyond, needed: count, target };
    const answer = found.get(count) ?? redundancyFor(asked);
    found.set(count, answer);
    return answer;
  };
  try {
    const { layout } = of(needed.expected);
    const { regions, zones, serving, availability } = layout;
    return {
      needed,
      target,
      replicas: mapRange(needed, (count) => of(count).instances),
      layout: { regions, zones, serving, availability, ...beyond },
    };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "capacity.availability_impossible") throw error;
    return { ...counted, impossible: error.detail ?? "no number of replicas keeps it" };
  }
}
