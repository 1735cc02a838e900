import fc from "fast-check";
import { expect, test } from "vitest";
import { randomJobs, randomOf, randomTree } from "../../test/quota-runs.ts";
import { readQuotas } from "../quota/read-quotas.ts";
import { usualMicros } from "./expected-wait.ts";
import { admissionRound } from "./round.ts";
import { teamStatuses } from "./team-status.ts";
import type { Workload } from "./workload.ts";

const minute = 60_000_000;
const work = (id: string, more: Partial<Workload>): Workload => ({
  id,
  kind: "training",
  environment: "dev",
  job: id,
  startedBy: "usr_1",
  asked: {},
  assumed: {},
  priority: 0,
  isPreemptible: true,
  state: "waiting",
  arrivedAt: 0,
  ranMicros: 0,
  wasEvicted: false,
  evictions: 0,
  ...more,
});

test("a team's own, what it uses and borrows, what it could take, and its queue, as reckoned by hand", () => {
  const { tree } = readQuotas(
    `version: 1
businessUnits:
  - name: retail
    teams:
      - { name: fraud, quotas: { cpu: 4, gpus: { H100-80GB: 1 } } }
      - { name: churn, quotas: { cpu: { nominal: 2, maximum: 5 } } }
`,
    "quotas.yaml",
  );
  const open = [
    work("a", { team: "retail/churn", asked: { cpu: 3000 }, state: "running", admittedSeq: 1, begunAt: 0 }),
    work("b", { team: "retail/fraud", asked: { "gpu/H100-80GB": 2 }, state: "admitted", admittedSeq: 2 }),
    work("c", { team: "retail/fraud", asked: { cpu: 4000 } }),
    work("d", { team: "retail/churn", asked: { cpu: 9000 } }),
  ];
  const usual = usualMicros([{ kind: "training", micros: 10 * minute }]);
  const [fraud, churn] = teamStatuses(tree, open, { now: 4 * minute, usual });
  // a holds 3 of 6: one of them is fraud's own. Six of its ten minutes are left, then c begins.
  expect(fraud).toMatchObject({ team: "retail/fraud", waiting: 1, running: 1, expectedWaitSeconds: 360 });
  expect(fraud?.resources).toEqual([
    { resource: "cpu", ...texts("4 CPU", "0 CPU", "0 CPU", "3 CPU", [4000, 0, 0, 3000]) },
    {
      resource: "gpu/H100-80GB",
      ...texts(
        "1 x H100-80GB",
        "2 slices of H100-80GB (8 a card)",
        "0 x H100-80GB",
        "6 slices of H100-80GB (8 a card)",
        [8, 2, 0, 6],
      ),
    },
  ]);
  expect(churn).toMatchObject({ team: "retail/churn", waiting: 1, running: 1 });
  expect(churn).not.toHaveProperty("expectedWaitSeconds");
  expect(churn?.resources).toEqual([
    { resource: "cpu", ...texts("2 CPU", "3 CPU", "1 CPU", "2 CPU", [2000, 3000, 1000, 2000]) },
  ]);
});

function texts(
  nominal: string,
  used: string,
  borrowed: string,
  free: string,
  amounts: readonly [number, number, number, number],
) {
  const [a, b, c, d] = amounts;
  return {
    nominal: { amount: a, text: nominal },
    used: { amount: b, text: used },
    borrowed: { amount: c, text: borrowed },
    free: { amount: d, text: free },
  };
}

test("what is said to be free is what a round lets in, and one unit more waits or sends others away", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      const tree = randomTree(random);
      const open: Workload[] = randomJobs(random, tree).map((job) =>
        work(job.id, {
          team: tree.nodes[job.team]?.name ?? "",
          asked: Object.fromEntries(tree.resources.map((name, r) => [name, job.amounts[r] ?? 0])),
        }),
      );
      const { admitted } = admissionRound(tree, open, 0);
      const held = new Set(admitted.map(({ id }) => id));
      const holding = open.flatMap((one, index): Workload[] =>
        held.has(one.id) ? [{ ...one, state: "running", admittedSeq: index }] : [],
      );
      for (const { team, resources } of teamStatuses(tree, holding, { now: 0, usual: usualMicros([]) }))
        for (const { resource, free } of resources) {
          const roundOf = (amount: number) =>
            admissionRound(tree, [...holding, work("probe", { team, asked: { [resource]: amount } })], 0);
          if (free.amount > 0) {
            const fits = roundOf(free.amount);
            expect([fits.mayBegin.has("probe"), fits.evicted]).toEqual([true, []]);
          }
          expect(roundOf(free.amount + 1).mayBegin.has("probe")).toBe(false);
        }
    }),
    { numRuns: 200 },
  );
});
