import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { faultsOfState, randomJobs, randomOf, randomTree, settle } from "../../test/quota-runs.ts";
import { afterTurn, decide, quotaState, turn } from "./decide.ts";
import {
  type FairStrategy,
  type Member,
  nodeAt,
  type PreemptionPolicies,
  type Quota,
  quotaTree,
} from "./tree.ts";
import { type AdmittedJob, mostOf, type QuotaJob, shareOf, Usage } from "./usage.ts";

const never: PreemptionPolicies = {
  reclaimWithinCohort: "never",
  withinClusterQueue: "never",
  borrowWithinCohort: { policy: "never" },
};
const reclaim: PreemptionPolicies = { ...never, reclaimWithinCohort: "any" };

function team(name: string, cpu: Quota, more: Partial<PreemptionPolicies> = {}, parent = "all"): Member {
  return {
    name,
    parent,
    quotas: { cpu },
    weightMilli: 1000,
    queue: { strategy: "best-effort-fifo", preemption: { ...never, ...more } },
  };
}

function cohort(name: string, parent?: string, quotas: Record<string, Quota> = {}): Member {
  return { name, ...(parent === undefined ? {} : { parent }), quotas, weightMilli: 1000 };
}

function treeOf(members: readonly Member[], fairSharing: readonly FairStrategy[] = []) {
  return quotaTree(members, ["cpu"], fairSharing);
}

/** In a tree whose first member is the cohort `all`: team 1 is the first after it. */
function job(id: string, of: number, cpu: number, more: Partial<QuotaJob> = {}): QuotaJob {
  return { id, team: of, priority: 0, arrivedAt: 0, amounts: [cpu], ...more };
}

function running(...jobs: QuotaJob[]): AdmittedJob[] {
  return jobs.map((one, index) => ({ ...one, admittedAt: index }));
}

function victimsOf(decision: ReturnType<typeof decide>): string[] {
  return decision.kind === "preempt" ? decision.victims.map(({ id }) => id) : [decision.kind];
}

describe("what Kueue's documents say", () => {
  // kueue.sigs.k8s.io/docs/concepts/cluster_queue: teams A and B with 9 and 12 CPU in one cohort.
  const reach = (a: Quota, b: Quota): number => {
    const tree = treeOf([cohort("all"), team("a", a), team("b", b)]);
    const most = mostOf(tree, nodeAt(tree, 1), 0);
    const state = quotaState(tree);
    expect(decide(state, job("j", 1, most)).kind).toBe("admit");
    expect(decide(state, job("j", 1, most + 1))).toEqual({
      kind: "wait",
      reason: "above-maximum",
      resource: "cpu",
    });
    return most;
  };

  test("quotas of 9 and 12 let A have 21 while B is idle", () => {
    expect(reach({ nominal: 9 }, { nominal: 12 })).toBe(21);
  });
  test("a borrowing limit of 1 lets A have 10", () => {
    expect(reach({ nominal: 9, borrowingLimit: 1 }, { nominal: 12 })).toBe(10);
  });
  test("a lending limit of 1 at B lets A have 10", () => {
    expect(reach({ nominal: 9 }, { nominal: 12, lendingLimit: 1 })).toBe(10);
  });
  test("a borrowing limit of 0 is one's own and no more, and a lending limit of 0 lends nothing", () => {
    expect(reach({ nominal: 9, borrowingLimit: 0 }, { nominal: 12 })).toBe(9);
    expect(reach({ nominal: 9 }, { nominal: 12, lendingLimit: 0 })).toBe(9);
  });
  test("a cohort's own quota is beside those of its members, and a nested one's limits bound all below", () => {
    const members = [
      cohort("all", undefined, { cpu: { nominal: 5 } }),
      cohort("unit", "all", { cpu: { nominal: 2, borrowingLimit: 3 } }),
      team("a", { nominal: 4 }, {}, "unit"),
      team("b", { nominal: 10 }),
    ];
    const tree = treeOf(members);
    expect(mostOf(tree, nodeAt(tree, 2), 0)).toBe(4 + 2 + 3);
    expect(mostOf(tree, nodeAt(tree, 3), 0)).toBe(10 + 5 + 4 + 2);
  });
  test("what B does not lend stays its own while A borrows all the rest", () => {
    const tree = treeOf([
      cohort("all"),
      team("a", { nominal: 9 }),
      team("b", { nominal: 12, lendingLimit: 1 }),
    ]);
    const state = quotaState(tree, running(job("a1", 1, 10)));
    expect(decide(state, job("b1", 2, 11))).toEqual({ kind: "admit", isBorrowing: false });
    expect(decide(state, job("b1", 2, 12)).kind).toBe("wait");
  });
});

describe("preemption", () => {
  const two = (a: Partial<PreemptionPolicies>, b: Partial<PreemptionPolicies> = {}) =>
    treeOf([cohort("all"), team("a", { nominal: 5 }, a), team("b", { nominal: 5 }, b)]);

  test("a team gets back what is its own, from the least urgent and last admitted of those that borrow, and no more than it needs", () => {
    const jobs = running(job("b1", 2, 4, { priority: 9 }), job("b2", 2, 2), job("b3", 2, 2), job("b4", 2, 2));
    const state = quotaState(two(reclaim), jobs);
    expect(victimsOf(decide(state, job("a1", 1, 2)))).toEqual(["b4"]);
    expect(victimsOf(decide(state, job("a1", 1, 4)))).toEqual(["b4", "b3"]);
    // One CPU of the five is in B's own hands.
    expect(victimsOf(decide(state, job("a1", 1, 5)))).toEqual(["b4", "b3", "b2"]);
    expect(victimsOf(decide(quotaState(two({}), jobs), job("a1", 1, 2)))).toEqual(["wait"]);
  });
  test("what is dearer than it need be is spared", () => {
    const state = quotaState(two(reclaim), running(job("b1", 2, 1), job("b2", 2, 8, { priority: 1 })));
    expect(victimsOf(decide(state, job("a1", 1, 5)))).toEqual(["b2"]);
  });
  test("nobody who stays within its own is evicted by another team", () => {
    const state = quotaState(two(reclaim), running(job("b1", 2, 5), job("a1", 1, 5)));
    expect(victimsOf(decide(state, job("a2", 1, 1, { priority: 9 })))).toEqual(["wait"]);
  });
  test("with lower-priority, only less urgent ones are reclaimed from", () => {
    const tree = two({ reclaimWithinCohort: "lower-priority" });
    const state = quotaState(tree, running(job("b1", 2, 10, { priority: 2 })));
    expect(victimsOf(decide(state, job("a1", 1, 5, { priority: 2 })))).toEqual(["wait"]);
    expect(victimsOf(decide(state, job("a1", 1, 5, { priority: 3 })))).toEqual(["b1"]);
  });
  test("within a team the less urgent give way, and the newer of the same priority where it says so", () => {
    const held = running(job("b1", 2, 5), job("a1", 1, 5, { priority: 1, arrivedAt: 7 }));
    const lower = quotaState(two({ withinClusterQueue: "lower-priority" }), held);
    expect(victimsOf(decide(lower, job("a2", 1, 3, { priority: 2 })))).toEqual(["a1"]);
    expect(victimsOf(decide(lower, job("a2", 1, 3, { priority: 1, arrivedAt: 6 })))).toEqual(["wait"]);
    const newer = quotaState(two({ withinClusterQueue: "lower-or-newer-equal-priority" }), held);
    expect(victimsOf(decide(newer, job("a2", 1, 3, { priority: 1, arrivedAt: 6 })))).toEqual(["a1"]);
    expect(victimsOf(decide(newer, job("a2", 1, 3, { priority: 1, arrivedAt: 8 })))).toEqual(["wait"]);
  });
  test("to borrow, only those below its priority and at most at the threshold are evicted", () => {
    const borrowing = (maxPriority?: number) =>
      two({
        reclaimWithinCohort: "any",
        borrowWithinCohort: {
          policy: "lower-priority",
          ...(maxPriority === undefined ? {} : { maxPriority }),
        },
      });
    const held = running(job("a1", 1, 4), job("b1", 2, 6, { priority: 3 }));
    const asked = job("a2", 1, 2, { priority: 5 });
    expect(victimsOf(decide(quotaState(two(reclaim), held), asked))).toEqual(["wait"]);
    expect(victimsOf(decide(quotaState(borrowing(), held), asked))).toEqual(["b1"]);
    expect(victimsOf(decide(quotaState(borrowing(3), held), asked))).toEqual(["b1"]);
    expect(victimsOf(decide(quotaState(borrowing(2), held), asked))).toEqual(["wait"]);
    expect(victimsOf(decide(quotaState(borrowing(), held), { ...asked, wasEvicted: true }))).toEqual([
      "wait",
    ]);
  });
  test("a unit reclaims for its teams: what lies beyond a team's own may be its unit's own", () => {
    const tree = treeOf([
      cohort("all"),
      cohort("unit", "all"),
      team("a", { nominal: 2 }, reclaim, "unit"),
      team("idle", { nominal: 6 }, {}, "unit"),
      team("other", { nominal: 4 }),
    ]);
    const state = quotaState(tree, running(job("o1", 4, 4), job("o2", 4, 8, { priority: 5 })));
    expect(victimsOf(decide(state, job("a1", 2, 8)))).toEqual(["o2"]);
  });
});

describe("fair sharing", () => {
  test("a share is the largest part of what the cohort lends, over the weight, and endless with weight 0", () => {
    const members = [
      cohort("all"),
      {
        ...team("a", { nominal: 2 }),
        quotas: { cpu: { nominal: 2 }, gpu: { nominal: 1 } },
        weightMilli: 2000,
      },
      { ...team("b", { nominal: 8 }), quotas: { cpu: { nominal: 8 }, gpu: { nominal: 3 } } },
    ];
    const share = (weightMilli: number, amounts: readonly number[]): number => {
      const weighted = members.map((one) => (one.name === "a" ? { ...one, weightMilli } : one));
      const tree = quotaTree(weighted, ["cpu", "gpu"], ["final-share"]);
      return shareOf(new Usage(tree, [{ ...job("j", 1, 0), amounts }]), nodeAt(tree, 1));
    };
    // 3 of 10 CPU and 2 of 4 GPU are borrowed.
    expect(share(2000, [5, 3])).toBe(0.25);
    expect(share(1000, [5, 3])).toBe(0.5);
    expect(share(0, [5, 3])).toBe(Number.POSITIVE_INFINITY);
    expect(share(0, [2, 1])).toBe(0);
  });

  const three = (strategies: readonly FairStrategy[]) =>
    treeOf(
      [
        cohort("all", undefined, { cpu: { nominal: 12 } }),
        team("a", { nominal: 0 }, reclaim),
        team("b", { nominal: 0 }, reclaim),
      ],
      strategies,
    );
  test("idle quota that all borrow is divided evenly: the larger share gives way while it stays at or above the other", () => {
    const state = quotaState(
      three(["final-share"]),
      running(...Array.from({ length: 6 }, (_, index) => job(`a${index}`, 1, 2))),
    );
    let [now, pending] = [
      state,
      Array.from({ length: 6 }, (_, index) => job(`b${index}`, 2, 2)) as readonly QuotaJob[],
    ];
    for (let at = 10; ; at++) {
      const { next } = turn(now, pending);
      if (!next) break;
      ({ state: now, pending } = afterTurn(now, pending, next, at));
    }
    expect([now.usage.of(1, 0), now.usage.of(2, 0)]).toEqual([6, 6]);
  });
  test("the final share bars what the initial share allows: one large job for a smaller one", () => {
    const held = running(job("a1", 1, 12));
    const asked = job("b1", 2, 5);
    expect(victimsOf(decide(quotaState(three(["final-share"]), held), asked))).toEqual(["wait"]);
    expect(victimsOf(decide(quotaState(three(["initial-share"]), held), asked))).toEqual(["a1"]);
    expect(victimsOf(decide(quotaState(three(["final-share", "initial-share"]), held), asked))).toEqual([
      "a1",
    ]);
  });
  test("what is its unit's own a team reclaims whatever the shares of other resources say", () => {
    const both = (name: string, cpu: number, gpu: number, parent: string): Member => ({
      ...team(name, { nominal: cpu }, reclaim, parent),
      quotas: { cpu: { nominal: cpu }, gpu: { nominal: gpu } },
    });
    const members = [
      cohort("all"),
      { ...cohort("unit", "all"), weightMilli: 0 },
      both("a", 0, 2, "unit"),
      both("idle", 0, 6, "unit"),
      both("other", 4, 4, "all"),
    ];
    const tree = quotaTree(members, ["cpu", "gpu"], ["final-share"]);
    const held = [job("a1", 2, 0), job("o1", 4, 0)];
    const amounts = [
      [2, 0],
      [0, 12],
    ];
    const state = quotaState(
      tree,
      running(...held.map((one, at) => ({ ...one, amounts: amounts[at] ?? [] }))),
    );
    expect(victimsOf(decide(state, { ...job("a2", 2, 0), amounts: [0, 8] }))).toEqual(["o1"]);
  });
  test("the smaller share goes first, whatever the age; without fair sharing the older does", () => {
    const held = running(job("a0", 1, 4));
    const waiting = [job("a1", 1, 2, { arrivedAt: 1 }), job("b1", 2, 2, { arrivedAt: 2 })];
    expect(turn(quotaState(three(["final-share"]), held), waiting).next?.job.id).toBe("b1");
    expect(turn(quotaState(three([]), held), waiting).next?.job.id).toBe("a1");
  });
});

describe("turns", () => {
  test("a strict queue waits for its head, a best-effort one lets smaller jobs pass", () => {
    const waiting = [job("large", 1, 9, { arrivedAt: 1 }), job("small", 1, 1, { arrivedAt: 2 })];
    const of = (strategy: "strict-fifo" | "best-effort-fifo") => {
      const one = team("a", { nominal: 5 });
      return turn(
        quotaState(treeOf([{ ...cohort("all") }, { ...one, queue: { strategy, preemption: never } }])),
        waiting,
      );
    };
    expect(of("best-effort-fifo").next?.job.id).toBe("small");
    const strict = of("strict-fifo");
    expect(strict.next).toBeUndefined();
    expect([...strict.waits].map(([{ id }, { reason }]) => [id, reason])).toEqual([
      ["large", "above-maximum"],
      ["small", "behind-another"],
    ]);
  });
  test("a resource without a quota is none that a job can have", () => {
    const tree = quotaTree([cohort("all"), team("a", { nominal: 5 })], ["cpu", "gpu"]);
    const decision = decide(quotaState(tree), { ...job("j", 1, 1), amounts: [1, 1] });
    expect(decision).toEqual({ kind: "wait", reason: "not-covered", resource: "gpu" });
  });
});

describe("any quotas and jobs", () => {
  const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

  test("turns end, nobody is above its maximum, nothing runs that does not fit, and what is a team's own is never refused it", () => {
    let evictions = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const run = settle(randomOf(seed));
        evictions += run.evictions;
        expect(run.faults).toEqual([]);
      }),
      { numRuns: 2000 },
    );
    expect(evictions).toBeGreaterThan(100);
  });
  test("the same state and queue give the same turn, in whatever order they are written down", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomOf(seed);
        const tree = randomTree(random);
        const jobs = randomJobs(random, tree);
        let state = quotaState(tree);
        for (const [at, one] of jobs.slice(0, 6).entries())
          if (decide(state, one).kind === "admit")
            state = afterTurn(
              state,
              [],
              { job: one, decision: { kind: "admit", isBorrowing: false } },
              at,
            ).state;
        expect(faultsOfState(state)).toEqual([]);
        const mirrored = quotaState(tree, state.admitted.toReversed());
        const pending = jobs.slice(6);
        expect(turn(mirrored, pending.toReversed())).toEqual(turn(state, pending));
      }),
      { numRuns: 500 },
    );
  });
});
