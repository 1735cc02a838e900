import { afterTurn, decide, type QuotaState, quotaState, turn } from "../src/quota/decide.ts";
import {
  type FairStrategy,
  type Member,
  nodeAt,
  type PreemptionPolicies,
  type Quota,
  type QuotaTree,
  quotaTree,
} from "../src/quota/tree.ts";
import { mostOf, type QuotaJob } from "../src/quota/usage.ts";

type Random = () => number;

/** fast-check picks the seed; the same seed gives the same quotas and jobs. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39) >>> 0;
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

const whole = (random: Random, most: number): number => Math.floor(random() * (most + 1));
function oneOf<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[whole(random, values.length - 1)] ?? values[0];
}

const fairSharings: readonly [readonly FairStrategy[], ...(readonly FairStrategy[])[]] = [
  [],
  ["final-share"],
  ["initial-share"],
  ["final-share", "initial-share"],
];

function randomQuota(random: Random, most: number, hasParent: boolean): Quota {
  return {
    nominal: whole(random, most),
    ...(hasParent && random() < 0.3 ? { borrowingLimit: whole(random, most) } : {}),
    ...(hasParent && random() < 0.3 ? { lendingLimit: whole(random, most) } : {}),
  };
}

/** Cohorts up to three deep with two to five teams, of one or two resources, with any policies. */
export function randomTree(random: Random): QuotaTree {
  const resources = random() < 0.5 ? ["cpu"] : ["cpu", "gpu"];
  const quotas = (most: number, hasParent: boolean): Record<string, Quota> =>
    Object.fromEntries(resources.map((resource) => [resource, randomQuota(random, most, hasParent)]));
  const members: Member[] = [];
  const cohorts = 1 + whole(random, 3);
  for (let index = 0; index < cohorts; index++)
    members.push({
      name: `c${index}`,
      ...(index > 0 ? { parent: `c${whole(random, index - 1)}` } : {}),
      quotas: random() < 0.3 ? quotas(4, index > 0) : {},
      weightMilli: oneOf(random, [0, 500, 1000, 3000]),
    });
  const teams = 2 + whole(random, 3);
  for (let index = 0; index < teams; index++)
    members.push({
      name: `t${index}`,
      parent: `c${whole(random, cohorts - 1)}`,
      quotas: quotas(10, true),
      weightMilli: oneOf(random, [0, 500, 1000, 3000]),
      queue: {
        strategy: oneOf(random, ["strict-fifo", "best-effort-fifo"]),
        preemption: {
          reclaimWithinCohort: oneOf(random, ["never", "lower-priority", "any"]),
          withinClusterQueue: oneOf(random, ["never", "lower-priority", "lower-or-newer-equal-priority"]),
          borrowWithinCohort: oneOf<PreemptionPolicies["borrowWithinCohort"]>(random, [
            { policy: "never" },
            { policy: "lower-priority" },
            { policy: "lower-priority", maxPriority: 1 },
          ]),
        },
      },
    });
  return quotaTree(members, resources, oneOf(random, fairSharings));
}

export function randomJobs(random: Random, tree: QuotaTree, most = 12): QuotaJob[] {
  const teams = tree.nodes.filter(({ queue }) => queue !== undefined);
  return Array.from({ length: 1 + whole(random, most - 1) }, (_, index) => ({
    id: `j${index}`,
    team: oneOf(random, [0, ...teams.map((node) => node.index)].slice(1) as [number, ...number[]]),
    priority: whole(random, 3),
    arrivedAt: whole(random, 5),
    amounts: tree.resources.map(() => (random() < 0.2 ? 0 : 1 + whole(random, 6))),
  }));
}

/** What is wrong with a state; empty where no bound is passed. */
export function faultsOfState({ tree, admitted, usage }: QuotaState): string[] {
  const faults: string[] = [];
  for (const node of tree.nodes)
    for (const [r, resource] of tree.resources.entries()) {
      const used = usage.of(node.index, r);
      // Summed from the jobs, and not by the engine: what a team uses.
      const stated = admitted.reduce(
        (sum, job) => sum + (job.team === node.index ? (job.amounts[r] ?? 0) : 0),
        0,
      );
      if (node.queue && used !== stated)
        faults.push(`${node.name} has ${used} ${resource}, its jobs ${stated}`);
      if (used > mostOf(tree, node, r))
        faults.push(`${node.name} has ${used} ${resource}, above its maximum`);
      const own = node.quotas[resource];
      if (node.queue && own?.borrowingLimit !== undefined && used > own.nominal + own.borrowingLimit)
        faults.push(`${node.name} has ${used} ${resource}, above its limit`);
    }
  for (const root of tree.nodes.filter(({ parentIndex }) => parentIndex === undefined))
    for (const [r, resource] of tree.resources.entries()) {
      const within = (index: number): boolean => nodeAt(tree, index).path.at(-1) === root.index;
      const all = tree.nodes.filter(({ index }) => within(index));
      const there = all.reduce((sum, { quotas }) => sum + (quotas[resource]?.nominal ?? 0), 0);
      const inUse = admitted.reduce((sum, job) => sum + (within(job.team) ? (job.amounts[r] ?? 0) : 0), 0);
      if (inUse > there) faults.push(`${inUse} ${resource} run where there are ${there}`);
    }
  return faults;
}

/** A team that may reclaim from anyone, and is refused a job that waits or one of all that its own has left, evicted before or not. */
function refusedOfItsOwn(state: QuotaState, pending: readonly QuotaJob[]): QuotaJob | undefined {
  const mayReclaim = state.tree.nodes.filter(({ queue }) => queue?.preemption.reclaimWithinCohort === "any");
  const asked = mayReclaim.flatMap(({ index, subtree }): QuotaJob[] => {
    const amounts = subtree.map((quota, r) => Math.max(0, quota - state.usage.of(index, r)));
    const probe = { id: `all that t${index} has left`, team: index, priority: 0, arrivedAt: 9, amounts };
    return [probe, { ...probe, wasEvicted: true }, ...pending.filter(({ team }) => team === index)];
  });
  return asked.find((job) => state.usage.isWithinNominal(job) && decide(state, job).kind === "wait");
}

export interface SettledRun {
  readonly turns: number;
  readonly evictions: number;
  readonly faults: readonly string[];
}

/** Jobs come in two waves and none ends; turns are taken until nothing changes, or `mostTurns` of them prove a loop. */
export function settle(random: Random, mostTurns = 2000): SettledRun {
  const tree = randomTree(random);
  const jobs = randomJobs(random, tree);
  const half = Math.ceil(jobs.length / 2);
  let state = quotaState(tree);
  let pending: readonly QuotaJob[] = [];
  let [turns, evictions] = [0, 0];
  for (const wave of [jobs.slice(0, half), jobs.slice(half)]) {
    pending = [...pending, ...wave];
    for (;;) {
      const { next } = turn(state, pending);
      if (!next) break;
      if (next.decision.kind === "preempt") evictions += next.decision.victims.length;
      ({ state, pending } = afterTurn(state, pending, next, turns));
      const faults = faultsOfState(state);
      if (faults.length > 0) return { turns, evictions, faults };
      if (++turns > mostTurns) return { turns, evictions, faults: ["it does not settle"] };
    }
    const refused = refusedOfItsOwn(state, pending);
    if (refused) return { turns, evictions, faults: [`${refused.id} does not get what is its own`] };
  }
  return { turns, evictions, faults: [] };
}
