import { arrivals } from "./arrivals.ts";
import { type Machine, milliPerGpu, type Pod } from "./machines.ts";
import { anyMachine, bestFit, fragmentationGradientDescent, leastLoss, type Policy } from "./policies.ts";
import { type Simulated, simulate } from "./simulate.ts";
import { typicalPods } from "./typical-pods.ts";

export const policyNames = ["random", "best-fit", "fgd", "least-loss"] as const;
export type PolicyName = (typeof policyNames)[number];

export interface Experiment {
  readonly machines: readonly Machine[];
  /** The trace: each run draws its arrivals from it. */
  readonly pods: readonly Pod[];
  /** Share of all cards that is asked for at the end; 1.3 in the published experiments. */
  readonly load: number;
  /** A generator of uniform numbers in [0, 1) for each run. */
  readonly seeds: readonly number[];
  readonly randomOf: (seed: number) => () => number;
}

/** What one policy did in all runs. */
export interface Runs {
  readonly policy: PolicyName;
  readonly runs: readonly Simulated[];
  /** Mean over the runs of the share of cards that is taken at the end, 0 to 1. */
  readonly allocation: number;
  /** The least and the most of one run. */
  readonly least: number;
  readonly most: number;
  readonly refusedThoughFeasible: number;
}

/** Every run of a seed has the same arrivals for every policy. */
export function experiment(
  { machines, pods, load, seeds, randomOf }: Experiment,
  policy: PolicyName,
  onRun: (done: number) => void = () => undefined,
): Runs {
  const runs = seeds.map((seed, index) => {
    const random = randomOf(seed);
    const arriving = arrivals(machines, pods, load, random);
    const run = simulate(machines, arriving, policyOf(policy, { machines, pods, random }), random);
    onRun(index + 1);
    return run;
  });
  const shares = runs.map(({ allocation }) => allocation);
  return {
    policy,
    runs,
    allocation: shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length),
    least: Math.min(...shares),
    most: Math.max(...shares),
    refusedThoughFeasible: runs.reduce((sum, run) => sum + run.refusedThoughFeasible, 0),
  };
}

interface World {
  readonly machines: readonly Machine[];
  readonly pods: readonly Pod[];
  readonly random: () => number;
}

function policyOf(name: PolicyName, { machines, pods, random }: World): Policy {
  switch (name) {
    case "random":
      return anyMachine(random);
    case "best-fit":
      return bestFit({
        cpuMilli: Math.max(1, ...machines.map((machine) => machine.cpuMilli)),
        gpuMilli: Math.max(...machines.map(({ gpus }) => gpus * milliPerGpu)),
      });
    case "fgd":
      return fragmentationGradientDescent(typicalPods(pods));
    case "least-loss":
      return leastLoss(typicalPods(pods), { weight: 1, exponent: 0.4, bucket: 40 });
  }
}
