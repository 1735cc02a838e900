import { guardNames, harmOf, noCounts } from "../src/judge-guards.ts";
import { defaultPlan, type ReleasePlan } from "../src/plan.ts";

/** A generator of numbers in [0, 1). */
type Random = () => number;

type GuardName = (typeof guardNames)[number];

/** Rates of events per request. */
export type GuardRates = Readonly<Record<GuardName, number>>;

/**
 * Releases in their first canary step, judged after every event, by the product's own evidence and bounds. What decides is a table of the largest number
 * of the champion's events at which so many of the candidate's are harm: looked up, since evidence only falls with the champion's events.
 */
export class ReleaseSimulation {
  readonly #random: Random;
  readonly #plan: ReleasePlan;
  readonly #share: number;
  readonly #bounds = new Map<GuardName, number[]>();

  /** @param percent the candidate's share of requests */
  constructor(random: Random, percent: number) {
    this.#random = random;
    this.#share = percent / 100;
    const steps = defaultPlan.steps.filter(({ kind }) => kind === "canary");
    const first = { kind: "canary", percent, leastRequests: 1, leastSeconds: 0 } as const;
    this.#plan = { ...defaultPlan, slowMs: 100, steps: [first, ...steps.slice(1)] };
  }

  /** Whether a release without any difference is rolled back within so many requests of both, looking after every event of any guard. */
  abortsWithout(rates: GuardRates, requests: number): boolean {
    return guardNames.some((guard) => this.#aborts(guard, Math.round(rates[guard] * requests)));
  }

  /**
   * The candidate's requests until a difference in errors is found; undefined where that takes more than so many requests of both.
   */
  requestsUntilFound(control: number, candidate: number, requests: number): number | undefined {
    let [own, events, others] = [0, 0, 0];
    for (let n = 0; n < requests; n++) {
      const isCandidates = this.#random() < this.#share;
      if (isCandidates) own++;
      if (this.#random() >= (isCandidates ? candidate : control)) continue;
      if (!isCandidates) others++;
      else if (others <= this.#mostOthers("errors", ++events)) return own;
    }
    return undefined;
  }

  #aborts(guard: GuardName, total: number): boolean {
    let others = 0;
    for (let events = 1; ; events++) {
      // Events of the champion until the next one of the candidate.
      others += Math.floor(Math.log1p(-this.#random()) / Math.log1p(-this.#share));
      if (events + others > total) return false;
      if (others <= this.#mostOthers(guard, events)) return true;
    }
  }

  /** −1: no number of the champion's events makes so few harm. */
  #mostOthers(guard: GuardName, events: number): number {
    const bounds = this.#bounds.get(guard) ?? [];
    this.#bounds.set(guard, bounds);
    for (let k = bounds.length; k <= events; k++) bounds.push(this.#boundOf(guard, k, bounds[k - 1] ?? -1));
    return bounds[events] ?? -1;
  }

  #boundOf(guard: GuardName, events: number, from: number): number {
    const isHarm = (others: number): boolean => {
      const arm = (count: number) => ({ ...noCounts, requests: 1, [guard]: count });
      const evidence = [{ candidate: arm(events), control: arm(others) }];
      const { logEvidence, logBound } = harmOf(this.#plan, evidence, guard);
      return logEvidence >= logBound;
    };
    let most = from;
    // The bound grows by about as many as the champion has events for one of the candidate's: doubled, then halved.
    let stride = 1;
    while (isHarm(most + stride)) {
      most += stride;
      stride *= 2;
    }
    for (; stride >= 1; stride = Math.floor(stride / 2)) if (isHarm(most + stride)) most += stride;
    return most;
  }
}

/** The middle of values, those that were not found being the largest. */
export function medianOf(values: readonly (number | undefined)[]): number {
  const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
