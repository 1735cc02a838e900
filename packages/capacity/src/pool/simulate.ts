import {
  allFree,
  type Free,
  fits,
  gpuMilliOf,
  type Machine,
  milliPerGpu,
  type Pod,
  place,
} from "./machines.ts";
import type { Choice, Policy } from "./policies.ts";
import { kindOf } from "./typical-pods.ts";

export interface Simulated {
  readonly policy: string;
  readonly arrived: number;
  readonly placed: number;
  readonly refused: number;
  /** Pods that were refused though a machine had room for them: 0 unless a policy cheats. */
  readonly refusedThoughFeasible: number;
  readonly gpus: number;
  /** Thousandths of cards that are taken at the end. */
  readonly allocatedGpuMilli: number;
  /** Share of all cards that is taken at the end, 0 to 1. */
  readonly allocation: number;
  /** Share that was taken when a given share of the cards had been asked for, at whole percents from 0. */
  readonly course: readonly number[];
}

/** Of a machine's scores only those since its last change hold. */
interface Scored {
  readonly stamp: number;
  /** Absent where the pod does not fit. */
  readonly choice: Choice | undefined;
}

/**
 * Pods arrive one after the other and stay. Each goes to the machine that the policy likes best; what fits nowhere is refused, and nothing else.
 *
 * @param random uniform in [0, 1), for ties that go to any
 */
export function simulate(
  machines: readonly Machine[],
  pods: readonly Pod[],
  policy: Policy,
  random: () => number,
): Simulated {
  const free = machines.map(allFree);
  const stamps = new Int32Array(machines.length);
  const scores = new Map<string, Scored[]>();
  const gpus = machines.reduce((sum, machine) => sum + machine.gpus, 0);
  const capacity = Math.max(1, gpus * milliPerGpu);
  let placed = 0;
  let refusedThoughFeasible = 0;
  let asked = 0;
  let allocated = 0;
  const course: number[] = [];
  for (const pod of pods) {
    const kind = kindOf(pod);
    const known = scores.get(kind) ?? [];
    scores.set(kind, known);
    const chosen = choose(pod, { free, stamps, known, policy, random });
    asked += gpuMilliOf(pod);
    if (chosen === undefined) {
      if (free.some((one) => fits(pod, one))) refusedThoughFeasible++;
    } else {
      const on = free[chosen.at];
      if (on) place(pod, on, chosen.cards);
      stamps[chosen.at] = (stamps[chosen.at] ?? 0) + 1;
      allocated += gpuMilliOf(pod);
      placed++;
    }
    for (let percent = course.length; percent <= (100 * asked) / capacity; percent++)
      course.push(allocated / capacity);
  }
  return {
    policy: policy.name,
    arrived: pods.length,
    placed,
    refused: pods.length - placed,
    refusedThoughFeasible,
    gpus,
    allocatedGpuMilli: allocated,
    allocation: allocated / capacity,
    course,
  };
}

interface Look {
  readonly free: readonly Free[];
  readonly stamps: Int32Array;
  readonly known: Scored[];
  readonly policy: Policy;
  readonly random: () => number;
}

function choose(
  pod: Pod,
  { free, stamps, known, policy, random }: Look,
): { readonly at: number; readonly cards: readonly number[] } | undefined {
  let best: Choice | undefined;
  let at = -1;
  let leastFree = Number.POSITIVE_INFINITY;
  let ties = 0;
  for (let index = 0; index < free.length; index++) {
    const one = free[index];
    if (one === undefined) continue;
    const stamp = stamps[index] ?? 0;
    let scored = known[index];
    if (scored === undefined || scored.stamp !== stamp) {
      scored = { stamp, choice: fits(pod, one) ? policy.score(pod, one) : undefined };
      known[index] = scored;
    }
    const { choice } = scored;
    if (choice === undefined) continue;
    const isBetter = best === undefined || choice.score > best.score;
    if (!isBetter && choice.score !== best?.score) continue;
    ties = isBetter ? 1 : ties + 1;
    const left = policy.ties === "least_free" ? freeMilli(one) : 0;
    if (!isBetter) {
      if (policy.ties === "first") continue;
      if (policy.ties === "least_free" && left >= leastFree) continue;
      if (policy.ties === "any" && random() * ties >= 1) continue;
    }
    best = choice;
    at = index;
    leastFree = left;
  }
  return best && { at, cards: best.cards };
}

function freeMilli({ gpuMilli }: Free): number {
  let sum = 0;
  for (const milli of gpuMilli) sum += milli;
  return sum;
}
