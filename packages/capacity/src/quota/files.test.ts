import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { migModels } from "../mig/models.ts";
import { amountText, parseAmount } from "./amounts.ts";
import { checkQuotas, readCluster } from "./check-quotas.ts";
import { readJobs } from "./read-jobs.ts";
import { readQuotas } from "./read-quotas.ts";
import { simulateQuotas } from "./simulate-quotas.ts";

const good = `version: 1
cohorts:
  - name: bank
businessUnits:
  - name: retail
    cohort: bank
    teams:
      - name: fraud
        preemption: { reclaimWithinCohort: any, withinClusterQueue: lower-priority }
        quotas:
          cpu: { nominal: 9, maximum: 14 }
          gpus:
            H100-80GB: { nominal: 2, lendingLimit: 1g.10gb=4 }
      - name: churn
        quotas: { cpu: 12, gpus: { H100-80GB: 1 + 1g.10gb=3 } }
`;

/** `line: detail` of each finding. */
function findings(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return error.violations.map(({ detail, at }) => `${at?.line}: ${detail}`);
  }
  return [];
}

const faultsIn = (text: string) => findings(() => readQuotas(text, "quotas.yaml"));

describe("amounts", () => {
  test("a card is its memory slices: four 1g are half a card, and four 7g are four", () => {
    const of = (text: string) => parseAmount("gpu/H100-80GB", text, "up");
    expect([of("1g.10gb=4"), of("7g.80gb=4"), of("4"), of("1 + 1g.20gb=2")]).toEqual(
      [4, 32, 32, 12].map((amount) => ({ amount })),
    );
    expect(parseAmount("gpu/T4", "3", "up")).toEqual({ amount: 3 });
    expect(parseAmount("gpu/T4", "1g.10gb=3", "up")).toMatchObject({ fault: expect.stringContaining("MIG") });
    expect(of("1g.5gb=1")).toMatchObject({ fault: expect.stringContaining("1g.10gb, ") });
  });
  test("instances that fill a card to the last memory slice are never more than one card", () => {
    for (const { name, memorySlices, profiles } of migModels)
      for (const profile of profiles) {
        const parsed = parseAmount(
          `gpu/${name}`,
          `${profile.name}=${memorySlices / profile.memorySlices}`,
          "up",
        );
        expect(parsed).toEqual({ amount: memorySlices });
      }
  });
  test("processors count in thousandths, memory in MiB, up for jobs and down for quotas", () => {
    expect(parseAmount("cpu", "0.5", "up")).toEqual({ amount: 500 });
    expect(parseAmount("memory", "1500kB", "up")).toEqual({ amount: 2 });
    expect(parseAmount("memory", "1500kB", "down")).toEqual({ amount: 1 });
    for (const [resource, text] of [
      ["cpu", "-1"],
      ["cpu", "1e3"],
      ["cpu", "0.0001"],
      ["cpu", ""],
      ["pods", "1.5"],
      ["memory", "-1GiB"],
      ["memory", "much"],
      ["memory", "9999999TiB"],
      ["gpu/H100-80GB", "half"],
      ["gpu/H100-80GB", "1.5"],
      ["gpu/H100-80GB", ""],
      ["gpu/H100-80GB", "1g.10gb=-1"],
    ] as const)
      expect(parseAmount(resource, text, "up"), `${resource} ${text}`).toHaveProperty("fault");
    expect(amountText("gpu/H100-80GB", 27)).toBe("27 slices of H100-80GB (8 a card)");
  });
});

describe("a file of quotas", () => {
  test("is read with a unit as the cohort of its teams, and maximum as the borrowing limit beyond nominal", () => {
    const { tree } = readQuotas(good, "quotas.yaml");
    expect(tree.nodes.map(({ name, parent }) => [name, parent])).toEqual([
      ["bank", undefined],
      ["retail", "bank"],
      ["retail/fraud", "retail"],
      ["retail/churn", "retail"],
    ]);
    expect(tree.nodes[2]?.quotas).toEqual({
      cpu: { nominal: 9000, borrowingLimit: 5000 },
      "gpu/H100-80GB": { nominal: 16, lendingLimit: 4 },
    });
    // 12 of fraud's slices are never lent.
    expect(tree.nodes[0]?.subtree).toEqual([21_000, 16 + 11 - 12]);
  });
  test("a team's highest priority is its own, else that of the file, else none", () => {
    const stated = good
      .replace("version: 1", "version: 1\nhighestPriority: 3")
      .replace("name: churn", "name: churn\n        highestPriority: -1");
    const highest = (text: string) =>
      readQuotas(text, "quotas.yaml").tree.nodes.flatMap(({ name, queue }) =>
        queue ? [[name, queue.highestPriority]] : [],
      );
    expect(highest(stated)).toEqual([
      ["retail/fraud", 3],
      ["retail/churn", -1],
    ]);
    expect(highest(good).map(([, priority]) => priority)).toEqual([undefined, undefined]);
  });
  test("names the line of everything that is wrong with it, all at once", () => {
    const bad = good
      .replace("- name: bank", "- { name: bank, parent: group }\n  - { name: group, parent: bank }")
      .replace("maximum: 14", "maximum: 8")
      .replace("1g.10gb=4", "3")
      .replace("reclaimWithinCohort: any", "reclaimWithinCohort: always")
      .replace("1 + 1g.10gb=3", "many");
    expect(faultsIn(bad)).toEqual([
      "12: businessUnits.0.teams.0.quotas.cpu.maximum is below nominal",
      "14: businessUnits.0.teams.0.quotas.gpus.H100-80GB.lendingLimit is above nominal",
      '10: businessUnits.0.teams.0.preemption.reclaimWithinCohort is "always"',
      expect.stringContaining('16: businessUnits.0.teams.1.quotas.gpus.H100-80GB is wrong: "many"'),
      "3: cohorts.0.parent goes in a circle: bank in group in bank",
      "4: cohorts.1.parent goes in a circle: group in bank in group",
    ]);
  });
  test.each([
    ["cohort: bank", "cohort: bonk", '6: businessUnits.0.cohort is "bonk", which is no cohort'],
    ["name: churn", "name: fraud", "14: businessUnits.0.teams.1.name is retail/fraud a second time"],
    ["name: bank", "name: bank\n    parent: bank", "4: cohorts.0.parent goes in a circle: bank in bank"],
    [
      "name: bank",
      "name: bank\n    quotas: { cpu: { nominal: 1, maximum: 2 } }",
      "4: cohorts.0.quotas.cpu has a limit without a cohort",
    ],
    [
      "reclaimWithinCohort: any",
      "borrowWithinCohort: { policy: lower-priority }",
      "9: businessUnits.0.teams.0.preemption.borrowWithinCohort needs reclaimWithinCohort",
    ],
    ["name: churn", "name: churn\n        weight: -1", "15: businessUnits.0.teams.1.weight is no weight"],
    ["version: 1", "version: 2", "1: version is not 1"],
    ["version: 1", "version: 1\nhighestPriority: 11", "2: highestPriority is no priority"],
    [
      "name: churn",
      "name: churn\n        highestPriority: 0.5",
      "15: businessUnits.0.teams.1.highestPriority is no priority",
    ],
    ["name: churn", "name: churn\n        quota: 1", "15: businessUnits.0.teams.1.quota is not known here"],
  ])("%s as %s is refused", (from, to, finding) => {
    expect(faultsIn(good.replace(from, to))).toEqual([finding]);
  });
  test("any text ends in quotas or in findings", () => {
    const lines = good.split("\n");
    fc.assert(
      fc.property(fc.subarray(lines), fc.string(), (some, noise) => {
        for (const text of [some.join("\n"), `${good}${noise}`, noise]) faultsIn(text);
      }),
      { numRuns: 200 },
    );
  });
});

describe("against a cluster", () => {
  const checked = (nodes: string) => {
    const reading = readQuotas(good, "quotas.yaml");
    return checkQuotas(reading, readCluster(`nodes:\n${nodes}`, "cluster.yaml"));
  };
  test("all guaranteed minimums are summed beside what there is", () => {
    expect(checked("  - { count: 2, cpu: 10.5, gpus: { H100-80GB: 2 } }")).toEqual([
      { resource: "cpu", nominal: 21_000, cluster: 21_000 },
      { resource: "gpu/H100-80GB", nominal: 27, cluster: 32 },
    ]);
  });
  test("the quota that passes what there is is named with its line, and so is a card that is not there", () => {
    expect(findings(() => checked("  - { cpu: 20.999, gpus: { A30-24GB: 9 } }"))).toEqual([
      "13: businessUnits.0.teams.0.quotas.gpus.H100-80GB is not in the cluster",
      "15: businessUnits.0.teams.1.quotas.cpu brings the quotas to 21 CPU, and the cluster has 20.999 CPU",
      "15: businessUnits.0.teams.1.quotas.gpus.H100-80GB is not in the cluster",
    ]);
    expect(findings(() => checked("  - { count: 0, cpu: 1 }"))).toEqual([
      "2: nodes.0.count is no number of nodes",
    ]);
  });
});

describe("jobs", () => {
  const { tree } = readQuotas(good, "quotas.yaml");
  const header = "name,team,at,duration,priority,cpu,gpus\n";
  test("a priority above what its team may ask counts as that", () => {
    const bounded = readQuotas(good.replace("version: 1", "version: 1\nhighestPriority: 3"), "q.yaml").tree;
    const at = "retail/fraud,2026-11-02T08:00:00Z,1h";
    const jobs = readJobs(
      `name,team,at,duration,priority,cpu\na,${at},9,1\nb,${at},2,1\nc,${at},,1\n`,
      "jobs.csv",
      bounded,
    );
    expect(jobs.map(({ priority }) => priority)).toEqual([3, 2, 0]);
  });
  const read = (rows: string) => readJobs(header + rows, "jobs.csv", tree);

  test("wait, are evicted and begin again, to the minute reckoned by hand", () => {
    const stories = simulateQuotas(
      tree,
      read(
        [
          "a,retail/churn,2026-11-02T08:00:00Z,2h,0,8,H100-80GB:1",
          "b,retail/churn,2026-11-02T08:05:00Z,2h,0,8,H100-80GB:1g.10gb=2",
          "c,retail/fraud,2026-11-02T08:10:00Z,30min,0,9,H100-80GB:1g.10gb=4",
          "d,retail/fraud,2026-11-02T08:10:00Z,30min,0,20,",
        ].join("\n"),
      ),
    );
    const minutes = (ms: number) => ms / 60_000;
    expect(
      stories.map(({ job, waitedMs, lostMs, evictions }) => [
        job.id,
        minutes(waitedMs),
        minutes(lostMs),
        evictions.map(({ by }) => by),
      ]),
    ).toEqual([
      ["a", 0, 0, []],
      // Ran from 8:05 to 8:10 for nothing; c is in its way until 8:40.
      ["b", 30, 5, ["c"]],
      ["c", 0, 0, []],
      ["d", 0, 0, []],
    ]);
    expect(stories[3]).toMatchObject({ waitsFor: { reason: "above-maximum", resource: "cpu" } });
    expect(stories[3]).not.toHaveProperty("endedAt");
  });
  test("that end, end after they waited, were lost and ran, and together never use more than there is", () => {
    const row = fc.record({
      team: fc.constantFrom("fraud", "churn"),
      at: fc.nat(59),
      minutes: fc.integer({ min: 1, max: 90 }),
      priority: fc.nat(2),
      cpu: fc.integer({ min: 1, max: 12 }),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
        const jobs = read(
          rows
            .map(
              ({ team, at, minutes, priority, cpu }, index) =>
                `j${index},retail/${team},2026-11-02T08:${String(at).padStart(2, "0")}:00Z,${minutes}min,${priority},${cpu},`,
            )
            .join("\n"),
        );
        const stories = simulateQuotas(tree, jobs);
        for (const { job, endedAt, waitedMs, lostMs } of stories) {
          expect(endedAt).toBe(job.arrivedAt + waitedMs + lostMs + job.durationMs);
          expect(Math.min(waitedMs, lostMs)).toBeGreaterThanOrEqual(0);
        }
        // The last run of each job, from its end backwards: at every start all of them are within the 21 processors.
        for (const { endedAt: end = 0, job } of stories) {
          const at = end - job.durationMs;
          const used = stories.filter(
            (one) => one.endedAt !== undefined && one.endedAt - one.job.durationMs <= at && at < one.endedAt,
          );
          expect(used.reduce((sum, one) => sum + (one.job.amounts[0] ?? 0), 0)).toBeLessThanOrEqual(21_000);
        }
      }),
      { numRuns: 200 },
    );
  });
  test("that are written wrong are refused with their lines", () => {
    const rows = [
      "a,retail/none,2026-11-02T08:00:00Z,2h,0,8,",
      "a,retail/churn,yesterday,2h,0,8,",
      "b,retail/churn,2026-11-02T08:00:00Z,0s,x,8,",
      "c,retail/churn,2026-11-02T08:00:00Z,1h,0,,H100-80GB:9g.90gb=1",
      "d,retail/churn,2026-11-02T08:00:00Z,1h,0,,T4:1",
      "e,retail,2026-11-02T08:00:00Z,1h,0,1,",
    ];
    expect(
      findings(() => read(rows.join("\n"))).map((finding) => finding.split(":").slice(0, 2).join(":")),
    ).toEqual([
      "2: team",
      "3: name",
      "3: at",
      "4: priority",
      "4: duration",
      "5: gpus",
      "5: it asks for nothing",
      "6: gpu/T4",
      "7: team",
    ]);
  });
});
