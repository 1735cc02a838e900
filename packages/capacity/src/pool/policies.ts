import { Workload } from "./fragments.ts";
import { type Free, milliPerGpu, type Pod, place, release } from "./machines.ts";
import type { TypicalPod } from "./typical-pods.ts";

/** Where a pod would go on one machine, and how good that is: larger is better. */
export interface Choice {
  readonly score: number;
  readonly cards: readonly number[];
}

/** Scores a machine on which the pod fits. Pure but for what it puts back. */
export interface Policy {
  readonly name: string;
  readonly description: string;
  /** Among machines with the same score: the one with the least free on its cards, the first, or any. */
  readonly ties: "least_free" | "first" | "any";
  score(pod: Pod, free: Free): Choice;
}

/** The card that is left with the least, or the first cards with enough on each. */
function tightestCards(pod: Pod, { gpuMilli }: Free): number[] {
  const enough = [...gpuMilli.keys()].filter((card) => (gpuMilli[card] ?? 0) >= pod.gpuMilli);
  return enough.toSorted((a, b) => (gpuMilli[a] ?? 0) - (gpuMilli[b] ?? 0)).slice(0, pod.gpus);
}

/** The ways that make a difference: of cards with the same free amount the first, for a share of one. */
function waysOf(pod: Pod, free: Free): number[][] {
  if (pod.gpus !== 1) return [tightestCards(pod, free)];
  const seen = new Set<number>();
  const ways: number[][] = [];
  for (const [card, milli] of free.gpuMilli.entries()) {
    if (milli < pod.gpuMilli || seen.has(milli)) continue;
    seen.add(milli);
    ways.push([card]);
  }
  return ways;
}

function bestWay(pod: Pod, free: Free, scoreOf: () => number): Choice {
  let best: Choice = { score: Number.NEGATIVE_INFINITY, cards: [] };
  for (const cards of waysOf(pod, free)) {
    place(pod, free, cards);
    const score = scoreOf();
    release(pod, free, cards);
    if (score > best.score) best = { score, cards };
  }
  return best;
}

/** The largest machine in each resource, by which amounts of different resources compare. */
export interface Largest {
  readonly cpuMilli: number;
  readonly gpuMilli: number;
}

/** @param random uniform in [0, 1), for the cards of a machine */
export function anyMachine(random: () => number): Policy {
  return {
    name: "random",
    description: "any machine where the pod fits, and any of its cards",
    ties: "any",
    score: (pod, free) => ({ score: 0, cards: anyCards(pod, free, random) }),
  };
}

function anyCards(pod: Pod, { gpuMilli }: Free, random: () => number): number[] {
  const enough = [...gpuMilli.keys()].filter((card) => (gpuMilli[card] ?? 0) >= pod.gpuMilli);
  const taken: number[] = [];
  while (taken.length < pod.gpus && enough.length > 0)
    taken.push(...enough.splice(Math.floor(random() * enough.length), 1));
  return taken;
}

/** The machine that is left with the least, processors and cards each measured by the largest machine. */
export function bestFit(largest: Largest): Policy {
  return {
    name: "best-fit",
    description: "the machine that is left with the least",
    ties: "first",
    score(pod, free) {
      const cpu = (free.cpuMilli - pod.cpuMilli) / largest.cpuMilli;
      const left = free.gpuMilli.reduce((sum, milli) => sum + milli, 0) - pod.gpus * pod.gpuMilli;
      const gpu = largest.gpuMilli === 0 ? 0 : left / largest.gpuMilli;
      return { score: -(cpu + gpu), cards: tightestCards(pod, free) };
    },
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Where what is unusable to the workload grows the least: Fragmentation Gradient Descent (Weng et al., ATC 2023), scored 0 to 100 as its authors do. */
export function fragmentationGradientDescent(typical: readonly TypicalPod[]): Policy {
  const workload = new Workload(typical);
  return {
    name: "fgd",
    description: "where what is unusable to the workload grows the least",
    ties: "least_free",
    score(pod, free) {
      const before = workload.fragmentMilli(free);
      return bestWay(pod, free, () =>
        Math.floor(100 * sigmoid((before - workload.fragmentMilli(free)) / milliPerGpu)),
      );
    },
  };
}

export interface WorthOptions {
  /** Weight of lost worth beside new fragments. */
  readonly weight: number;
  readonly exponent: number;
  /** Scores within one bucket are the same. */
  readonly bucket: number;
}

/** FGD, and beside it how much the machine loses of its worth to the kinds of pods that come. */
export function leastLoss(
  typical: readonly TypicalPod[],
  { weight, exponent, bucket }: WorthOptions,
): Policy {
  const workload = new Workload(typical);
  return {
    name: "least-loss",
    description: "where fragments grow and the machine's worth to the workload shrinks the least",
    ties: "least_free",
    score(pod, free) {
      const lossOf = (): number =>
        workload.fragmentMilli(free) - weight * workload.remainingWorth(free, exponent);
      const before = lossOf();
      return bestWay(pod, free, () => -Math.floor((lossOf() - before) / bucket));
    },
  };
}
