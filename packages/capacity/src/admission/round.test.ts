import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { faultsOfState, randomJobs, randomOf, randomTree } from "../../test/quota-runs.ts";
import { quotaState } from "../quota/decide.ts";
import { readQuotas } from "../quota/read-quotas.ts";
import { boundedPriority, type QuotaTree } from "../quota/tree.ts";
import { createAdmissionQueue } from "./admission-queue.ts";
import { expectedWait, usualMicros } from "./expected-wait.ts";
import { admissionRound, amountsOf, type Round, requireTeam, teamNode } from "./round.ts";
import type { Workload } from "./workload.ts";

const minute = 60_000_000;

function aWorkload(id: string, more: Partial<Workload> = {}): Workload {
  return {
    id,
    kind: "training",
    environment: "dev",
    team: "retail/fraud",
    job: `job_${id}`,
    startedBy: "usr_1",
    asked: { cpu: 1000 },
    assumed: {},
    priority: 0,
    isPreemptible: true,
    state: "waiting",
    arrivedAt: 0,
    ranMicros: 0,
    wasEvicted: false,
    evictions: 0,
    ...more,
  };
}

/** What the store does with a round, on rows in memory. */
function after(open: readonly Workload[], round: Round): Workload[] {
  const evicted = new Map(round.evicted.map(({ id, by }) => [id, by]));
  const gaveWay = new Set(round.gaveWay);
  const first = open.reduce((most, { admittedSeq = 0 }) => Math.max(most, admittedSeq), 0) + 1;
  const order = new Map(round.admitted.map(({ id }, index) => [id, first + index]));
  return open.map((work) => {
    const marked = gaveWay.has(work.id) ? { ...work, wasEvicted: true } : work;
    const by = evicted.get(work.id);
    const seq = order.get(work.id);
    if (by !== undefined && work.state === "running")
      return { ...marked, state: "evicting" as const, evictedBy: by };
    if (by !== undefined) return { ...marked, state: "waiting" as const };
    return seq === undefined ? marked : { ...marked, state: "admitted" as const, admittedSeq: seq };
  });
}

function quotas(teams: string): QuotaTree {
  return readQuotas(
    `version: 1\ncohorts:\n  - name: bank\nbusinessUnits:\n  - name: retail\n    cohort: bank\n    teams:\n${teams}`,
    "quotas.yaml",
  ).tree;
}
const two = quotas(`
      - { name: fraud, quotas: { cpu: 2 }, preemption: { reclaimWithinCohort: any } }
      - { name: churn, quotas: { cpu: 2, gpus: { H100-80GB: 1 } } }
`);
const churn = { team: "retail/churn" } as const;

describe("a round", () => {
  test("lets in what fits, and says of the rest why it waits and at what place in its team's queue", () => {
    const open = [
      aWorkload("a", { asked: { cpu: 4000 } }),
      aWorkload("b", { arrivedAt: 1 }),
      aWorkload("c", { arrivedAt: 2, priority: 3 }),
      aWorkload("d", { ...churn, arrivedAt: 3, asked: { "gpu/A30-24GB": 4 } }),
      aWorkload("e", { team: "retail/nobody" }),
      aWorkload("f", { arrivedAt: 4, asked: { cpu: 5000 } }),
      aWorkload("g", { arrivedAt: 5, asked: { "gpu/H100-80GB": 1 } }),
      aWorkload("h", { ...churn, arrivedAt: 6, notBefore: 7 * minute }),
    ];
    const { team: _, ...teamless } = aWorkload("i");
    const round = admissionRound(two, [...open, teamless], minute);
    // The most urgent first, then by age; a asks for all four and finds three.
    expect(round.admitted).toEqual([
      { id: "c", isBorrowing: false },
      { id: "b", isBorrowing: false },
    ]);
    expect([...round.waits].toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ["a", { reason: "no-room", resource: "cpu", position: 1 }],
      ["d", { reason: "not-covered", resource: "gpu/A30-24GB", position: 1 }],
      ["e", { reason: "no-quota", position: 1 }],
      ["f", { reason: "above-maximum", resource: "cpu", position: 2 }],
      ["g", { reason: "not-covered", resource: "gpu/H100-80GB", position: 3 }],
      ["h", { reason: "outside-window", position: 2 }],
      ["i", { reason: "no-team", position: 1 }],
    ]);
    expect([...round.mayBegin]).toEqual(["c", "b"]);
  });

  test("what is assumed counts where the team has a quota of it, and what is asked for always", () => {
    const node = teamNode(two, "retail/fraud");
    if (!node) throw new Error("no team");
    const assumed = { cpu: 2000, memory: 8192, pods: 1 };
    expect(amountsOf(two, node, { asked: {}, assumed })).toEqual([2000, 0]);
    expect(amountsOf(two, node, { asked: { cpu: 500 }, assumed })).toEqual([500, 0]);
    expect(amountsOf(two, node, { asked: { memory: 1 }, assumed })).toEqual({ missing: "memory" });
  });

  test("a priority above what a team may ask counts as that, in turns, in evictions and in its place in the queue", () => {
    const bounded = quotas(`
      - { name: fraud, highestPriority: 2, quotas: { cpu: 2 }, preemption: { withinClusterQueue: lower-priority } }
      - { name: churn, quotas: { cpu: 2 } }
`);
    const runs = aWorkload("runs", {
      priority: 2,
      state: "running",
      asked: { cpu: 4000 },
      admittedSeq: 1,
    });
    const open = [
      runs,
      aWorkload("early", { priority: 2, arrivedAt: 1, asked: { cpu: 2000 } }),
      aWorkload("pushes", { priority: 10, arrivedAt: 2, asked: { cpu: 2000 } }),
    ];
    const round = admissionRound(bounded, open, 9);
    expect(round.evicted).toEqual([]);
    expect([...round.waits].map(([id, { position }]) => [id, position])).toEqual([
      ["early", 1],
      ["pushes", 2],
    ]);
    // Without the bound it sends away what runs.
    const free = quotas(`
      - { name: fraud, quotas: { cpu: 2 }, preemption: { withinClusterQueue: lower-priority } }
      - { name: churn, quotas: { cpu: 2 } }
`);
    expect(admissionRound(free, open, 9).evicted).toEqual([{ id: "runs", by: "pushes" }]);
    expect(boundedPriority(teamNode(bounded, "retail/fraud"), -3)).toBe(-3);
    expect(boundedPriority(teamNode(bounded, "retail/churn"), 7)).toBe(7);
  });

  test("whatever is asked, a round is that of what it may ask", () => {
    const team =
      "{ name: fraud, highestPriority: 1, quotas: { cpu: 2 }, preemption: { withinClusterQueue: lower-priority, reclaimWithinCohort: any } }";
    const tree = quotas(`      - ${team}\n      - { name: churn, quotas: { cpu: 2 } }\n`);
    const work = fc.record({
      priority: fc.integer({ min: -10, max: 10 }),
      cpu: fc.integer({ min: 1, max: 4 }),
      team: fc.constantFrom("retail/fraud", "retail/churn"),
      isRunning: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(work, { maxLength: 8 }), (drawn) => {
        const open = drawn.map(({ priority, cpu, team: of, isRunning }, index) =>
          aWorkload(`w${index}`, {
            priority,
            team: of,
            asked: { cpu: cpu * 500 },
            arrivedAt: index,
            ...(isRunning ? { state: "running" as const, admittedSeq: index + 1 } : {}),
          }),
        );
        const asked = open.map((one) =>
          one.team === "retail/fraud" ? { ...one, priority: Math.min(1, one.priority) } : one,
        );
        expect(admissionRound(tree, open, 9)).toEqual(admissionRound(tree, asked, 9));
      }),
    );
  });

  test("work of no use case is refused before it waits for ever, and before anything is asked of the database", async () => {
    expect(() => requireTeam({ team: "retail/nobody" })).not.toThrow();
    const { id, kind, environment, asked, assumed, priority, isPreemptible } = aWorkload("none");
    const teamless = { id, kind, environment, asked, assumed, priority, isPreemptible };
    const entered = createAdmissionQueue({} as never).enter({} as never, teamless, "job_1");
    await expect(entered).rejects.toMatchObject({ code: "capacity.no_team" });
  });

  test("whoever takes a place back has it at once, and begins when the other one has ended", () => {
    const running = { ...churn, state: "running", asked: { cpu: 3000 }, admittedSeq: 1 } as const;
    const open = [aWorkload("borrower", running), aWorkload("owner", { asked: { cpu: 2000 }, arrivedAt: 1 })];
    const round = admissionRound(two, open, 0);
    expect(round.evicted).toEqual([{ id: "borrower", by: "owner" }]);
    expect(round.admitted).toEqual([{ id: "owner", isBorrowing: false }]);
    expect([...round.mayBegin]).toEqual([]);
    const stopping = after(open, round);
    // A third that came meanwhile has room by the quotas, and waits for the same end.
    const more = [...stopping, aWorkload("third", { ...churn, arrivedAt: 2 })];
    const second = admissionRound(two, more, 0);
    expect(second.admitted.map(({ id }) => id)).toEqual(["third"]);
    expect([...second.mayBegin]).toEqual(["third"]);
    const gone = after(more, second).map((work) =>
      work.id === "borrower" ? { ...work, state: "waiting" as const } : work,
    );
    const third = admissionRound(two, gone, 0);
    expect([...third.mayBegin]).toEqual(["owner", "third"]);
    expect(third.waits.get("borrower")).toMatchObject({ reason: "no-room", position: 1 });
  });

  test("nobody takes the place of what keeps it", () => {
    const fixed = {
      ...churn,
      state: "running",
      asked: { cpu: 3000 },
      admittedSeq: 1,
      isPreemptible: false,
    } as const;
    const open = [aWorkload("fixed", fixed), aWorkload("owner", { asked: { cpu: 2000 }, arrivedAt: 1 })];
    const round = admissionRound(two, open, 0);
    expect(round.evicted).toEqual([]);
    expect(round.waits.get("owner")).toEqual({ reason: "no-room", resource: "cpu", position: 1 });
  });
});

/** A random life of a queue: work comes, is let in, begins, is stopped and ends, and control dies at any moment. */
function life(seed: number): string[] {
  const random = randomOf(seed);
  const tree = randomTree(random);
  const jobs = randomJobs(random, tree, 16);
  const asJob = (id: string) => jobs.find((job) => job.id === id);
  let open: Workload[] = [];
  const faults: string[] = [];
  const coming = jobs.map((job) =>
    aWorkload(job.id, {
      team: tree.nodes[job.team]?.name ?? "",
      asked: Object.fromEntries(tree.resources.map((name, r) => [name, job.amounts[r] ?? 0])),
      priority: job.priority,
      arrivedAt: job.arrivedAt,
      isPreemptible: random() < 0.8,
    }),
  );
  const faultsNow = (states: readonly Workload["state"][]): string[] => {
    const held = open.flatMap(({ id, state, admittedSeq = 0 }) => {
      const job = states.includes(state) ? asJob(id) : undefined;
      return job ? [{ ...job, admittedAt: admittedSeq }] : [];
    });
    return faultsOfState(quotaState(tree, held));
  };
  for (let step = 0; step < 60; step++) {
    const next = coming.shift();
    if (next) open.push(next);
    const round = admissionRound(tree, open, step);
    const again = admissionRound(tree, [...open].reverse(), step);
    if (JSON.stringify([round.admitted, round.evicted]) !== JSON.stringify([again.admitted, again.evicted]))
      faults.push("the order of rows decides");
    open = after(open, round);
    const settled = admissionRound(tree, open, step);
    if (settled.admitted.length + settled.evicted.length > 0) faults.push("a second look changes the first");
    const waiting = open.filter(({ state }) => state === "waiting").map(({ id }) => id);
    if (waiting.some((id) => !settled.waits.has(id)) || settled.waits.size !== waiting.length)
      faults.push("not all that wait are told why");
    faults.push(...faultsNow(["admitted", "running"]));
    open = open.flatMap((work): Workload[] => {
      const chance = random();
      if (work.state === "admitted" && settled.mayBegin.has(work.id) && chance < 0.7)
        return [{ ...work, state: "running" }];
      if (work.state === "evicting" && chance < 0.4) return [{ ...work, state: "waiting" }];
      return work.state !== "waiting" && chance > 0.85 ? [] : [work];
    });
    // What really works: also beside what is being stopped there is never more than the quotas allow.
    faults.push(...faultsNow(["running", "evicting"]).map((fault) => `at work: ${fault}`));
  }
  open = open.map((work) => (work.state === "evicting" ? { ...work, state: "waiting" as const } : work));
  const last = admissionRound(tree, open, 99);
  const stuck = after(open, last).filter(({ id, state }) => state === "admitted" && !last.mayBegin.has(id));
  if (last.evicted.length === 0 && stuck.length > 0)
    faults.push(`${stuck.length} are let in and cannot begin`);
  return faults;
}

test("whatever comes and goes: quotas hold, at work too, a look settles, and everything that waits knows why", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      expect(life(seed)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

describe("the expected wait", () => {
  test("is the median of what ended before: of its kind in its team, else of its kind, else unknown", () => {
    const ended = [3, 9, 4].map((minutes) => ({
      kind: "training" as const,
      team: "retail/fraud",
      micros: minutes * minute,
    }));
    const usual = usualMicros([...ended, { kind: "training", team: "retail/churn", micros: 20 * minute }]);
    expect(usual({ kind: "training", team: "retail/fraud" })).toBe(4 * minute);
    expect(usual({ kind: "training", team: "retail/desk" })).toBe(6.5 * minute);
    expect(usual({ kind: "scoring", team: "retail/fraud" })).toBeUndefined();
  });

  test("adds up the ends that have to come, as reckoned by hand", () => {
    const now = 100 * minute;
    const usual = usualMicros([{ kind: "training", team: "retail/fraud", micros: 10 * minute }]);
    const running = {
      state: "running",
      asked: { cpu: 4000 },
      admittedSeq: 1,
      begunAt: now - 4 * minute,
    } as const;
    const open = [
      aWorkload("runs", running),
      aWorkload("next", { asked: { cpu: 3000 }, arrivedAt: 1 }),
      aWorkload("small", { arrivedAt: 2 }),
      aWorkload("last", { asked: { cpu: 4000 }, arrivedAt: 3 }),
      aWorkload("never", { asked: { cpu: 9000 }, arrivedAt: 4 }),
    ];
    const wait = (id: string) => expectedWait(two, open, id, { now, usual });
    // Six minutes are left of what runs, both small ones fit then, and the last one needs their ten minutes over.
    expect(["next", "small", "last", "never"].map(wait)).toEqual([
      6 * minute,
      6 * minute,
      16 * minute,
      undefined,
    ]);
    const unknown = { now, usual: usualMicros([]) };
    expect(expectedWait(two, open, "next", unknown)).toBeUndefined();
  });
});

test("the expected wait counts with windows: what opens later is in the way from then on, and waits for who is there", () => {
  const now = 100 * minute;
  const usual = usualMicros([{ kind: "training", team: "retail/fraud", micros: 10 * minute }]);
  const four = { asked: { cpu: 4000 } };
  const open = [
    aWorkload("runs", { ...four, state: "running", admittedSeq: 1, begunAt: now - 4 * minute }),
    aWorkload("night", { ...four, arrivedAt: 1, notBefore: now + 12 * minute }),
    aWorkload("next", { ...four, arrivedAt: 2 }),
    aWorkload("last", { ...four, arrivedAt: 3 }),
  ];
  // What runs ends after 6 minutes, next goes from 6 to 16; night opened at 12 and is older than last.
  expect(["night", "next", "last"].map((id) => expectedWait(two, open, id, { now, usual }))).toEqual([
    16 * minute,
    6 * minute,
    26 * minute,
  ]);
  // Nothing in its way: it begins when its window opens, however long work takes.
  const alone = [aWorkload("night", { notBefore: now + 12 * minute })];
  expect(expectedWait(two, alone, "night", { now, usual: usualMicros([]) })).toBe(12 * minute);
});

describe("what awaits approval", () => {
  const arbitrary = fc.record({
    asked: fc.integer({ min: 0, max: 3000 }).map((cpu) => ({ cpu })),
    priority: fc.integer({ min: -2, max: 2 }),
    team: fc.constantFrom("retail/fraud", "retail/churn", "retail/nobody"),
    arrivedAt: fc.integer({ min: 0, max: 20 }),
    held: fc.constantFrom("awaited", "approved", "elsewhere", "no"),
    state: fc.constantFrom("waiting", "running"),
  });

  test("takes nothing, evicts nobody and is let in by nobody: all others fare as if it were not there", () => {
    fc.assert(
      fc.property(fc.array(arbitrary, { maxLength: 12 }), (drawn) => {
        const open = drawn.map(({ held, state, ...more }, index) => {
          const isAsked = held === "awaited" || held === "approved";
          return aWorkload(`w${index}`, {
            ...more,
            state: held === "awaited" ? "waiting" : (state as Workload["state"]),
            ...(state === "running" && held !== "awaited" ? { admittedSeq: index + 1 } : {}),
            ...(isAsked ? { approval: { state: held, for: "much" } } : {}),
            ...(held === "elsewhere" ? { isElsewhere: true } : {}),
          });
        });
        const isAside = ({ approval, isElsewhere }: Workload): boolean =>
          approval?.state === "awaited" || isElsewhere === true;
        const round = admissionRound(two, open, 0);
        const alone = admissionRound(
          two,
          open.filter((work) => !isAside(work)),
          0,
        );
        expect(round.admitted).toEqual(alone.admitted);
        expect(round.evicted).toEqual(alone.evicted);
        expect(round.mayBegin).toEqual(alone.mayBegin);
        for (const { id, approval } of open)
          expect(round.waits.get(id)?.reason === "awaits-approval").toBe(approval?.state === "awaited");
      }),
    );
  });

  test("an approved one is let in as if nobody had to be asked", () => {
    const one = aWorkload("a", { approval: { state: "approved", for: "much", by: "usr_2", at: 1 } });
    expect(admissionRound(two, [one], 0).admitted).toEqual([{ id: "a", isBorrowing: false }]);
  });
});
