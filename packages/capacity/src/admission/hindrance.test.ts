import fc from "fast-check";
import { expect, test } from "vitest";
import { randomJobs, randomOf, randomTree } from "../../test/quota-runs.ts";
import type { QueuedWork } from "../contract.ts";
import { decide, quotaState } from "../quota/decide.ts";
import { readQuotas } from "../quota/read-quotas.ts";
import { nodeAt } from "../quota/tree.ts";
import { createAdmissionQueue } from "./admission-queue.ts";
import { hindranceAlone } from "./hindrance.ts";
import { admissionRound } from "./round.ts";
import { newWorkload } from "./workload.ts";

const { tree } = readQuotas(
  `version: 1
cohorts:
  - name: bank
businessUnits:
  - name: retail
    cohort: bank
    teams:
      - { name: fraud, quotas: { cpu: { nominal: 2, maximum: 3 } } }
      - { name: churn, quotas: { cpu: 2, gpus: { H100-80GB: 1 } } }
`,
  "quotas.yaml",
);

function aRun(more: Partial<QueuedWork> = {}): QueuedWork {
  return {
    id: "run_1",
    kind: "training",
    environment: "dev",
    useCaseId: "uc_1",
    team: "retail/fraud",
    asked: { cpu: 1000 },
    assumed: { cpu: 2000 },
    priority: 0,
    isPreemptible: true,
    ...more,
  };
}

test("what quotas could never let in is told with the reason; what others have, a window and an approval hinder nothing", () => {
  expect(hindranceAlone(tree, aRun())).toBeUndefined();
  expect(hindranceAlone(tree, aRun({ asked: { cpu: 3000 } }))).toBeUndefined();
  expect(hindranceAlone(tree, aRun({ asked: { cpu: 3001 } }))).toBe(
    "never starts as things stand: it asks for more cpu than retail/fraud could ever have",
  );
  expect(hindranceAlone(tree, aRun({ asked: { "gpu/H100-80GB": 1 } }))).toContain("has no quota of H100");
  expect(hindranceAlone(tree, aRun({ team: "retail/nobody" }))).toContain("is not in the quotas in force");
  const { team: _, ...teamless } = aRun();
  expect(hindranceAlone(tree, teamless)).toContain("belongs to no use case");
  expect(
    hindranceAlone(tree, aRun({ notBefore: 9e15 as never, approvalFor: "8 cards, above 4" })),
  ).toBeUndefined();
});

test("it agrees with the decision on an idle cluster, and what is hindered is let in by no queue whatever", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const random = randomOf(seed);
      const any = randomTree(random);
      const jobs = randomJobs(random, any);
      const works = jobs.map((job) =>
        aRun({
          id: job.id,
          team: nodeAt(any, job.team).name,
          priority: job.priority,
          asked: Object.fromEntries(any.resources.map((resource, r) => [resource, job.amounts[r] ?? 0])),
          assumed: {},
        }),
      );
      const hindered = works.map((work) => hindranceAlone(any, work) !== undefined);
      for (const [index, job] of jobs.entries())
        expect(hindered[index]).toBe(decide(quotaState(any), job).kind === "wait");
      const round = admissionRound(
        any,
        works.map((work) => newWorkload(work, "usr_1", 0)),
        0,
      );
      for (const { id } of round.admitted)
        expect(hindered[works.findIndex((one) => one.id === id)]).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("without quotas in force nothing is hindered", async () => {
  const queue = createAdmissionQueue({
    work: { read: async () => ({ kept: undefined, known: undefined }) },
    approvals: { ofUseCase: async () => undefined },
  } as unknown as Parameters<typeof createAdmissionQueue>[0]);
  const work = { ...aRun(), request: { cpu: "900" }, assumed: { cpu: 1, memoryBytes: 1 } };
  expect(await queue.hindrance({ actor: { organisationId: "org_1" } } as never, work)).toBeUndefined();
});
