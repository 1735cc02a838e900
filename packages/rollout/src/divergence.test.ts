import { asEpochMicros } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import type { StoredPrediction } from "@portolan/predictions/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aHeader } from "../test/prediction-headers.ts";
import { countAnswers } from "./count-answers.ts";
import { decide } from "./decide.ts";
import { logDivergenceEvidence } from "./evidence/divergence-evidence.ts";
import { judgeGuards, noCounts } from "./judge-guards.ts";
import { defaultPlan, findPlanProblems, type ReleasePlan } from "./plan.ts";

const canary = (percent: number) => ({ kind: "canary", percent, leastRequests: 1, leastSeconds: 0 }) as const;
const plan: ReleasePlan = {
  ...defaultPlan,
  steps: [canary(50)],
  divergence: { edges: [0.5], atMost: 0.25 },
};
const arm = (cells: readonly number[]) => ({
  ...noCounts,
  requests: cells.reduce((sum, one) => sum + one, 0),
  cells,
});
const evidence = (candidate: readonly number[], control: readonly number[]) => ({
  candidate: arm(candidate),
  control: arm(control),
});

describe("evidence of a divergence", () => {
  test("its mean over the next answer is at most what it is now, at both ends of what is allowed", () => {
    const counts = fc.integer({ min: 0, max: 500 });
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 0.5, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.tuple(counts, counts, counts, counts),
        (share, atMost, [a, b, c, d]) => {
          const of = (candidate: number, control: number): number =>
            Math.exp(
              logDivergenceEvidence(
                { candidate: [candidate, a], control: [control, b], share, controlShare: 1 - share },
                atMost,
              ) -
                logDivergenceEvidence(
                  { candidate: [c, a], control: [d, b], share, controlShare: 1 - share },
                  atMost,
                ),
            );
          for (const ratio of [1 + atMost, 1, 1 / (1 + atMost)]) {
            const chance = (share * ratio) / (share * ratio + 1 - share);
            expect(chance * of(c + 1, d) + (1 - chance) * of(c, d + 1)).toBeLessThanOrEqual(1 + 1e-6);
          }
        },
      ),
    );
  });

  test("simulated releases that differ as much as is allowed are hardly ever ended, whoever looks after every hundred answers; those that differ more are", () => {
    const random = seededRandom(20_261_127);
    const { logBound } = judgeGuards(plan, [evidence([0, 0], [0, 0])]).find(
      ({ guard }) => guard === "diverged",
    ) ?? {
      logBound: Number.NaN,
    };
    /** Requests until the release is ended. */
    const endedAfter = (candidate: number, control: number, most: number): number | undefined => {
      const [own, others] = [
        [0, 0],
        [0, 0],
      ];
      for (let n = 1; n <= most; n++) {
        const isOwn = random() < 0.5;
        const cell = Number(random() < (isOwn ? candidate : control));
        const cells = isOwn ? own : others;
        cells[cell] = (cells[cell] ?? 0) + 1;
        if (n % 100 !== 0) continue;
        const answers = { candidate: own, control: others, share: 0.5, controlShare: 0.5 };
        if (logDivergenceEvidence(answers, 0.25) >= logBound) return n;
      }
      return undefined;
    };
    const kept = Array.from({ length: 150 }, () => endedAfter(0.25, 0.2, 4000));
    // Its part of 1 % over all guards: three of 150 have a chance of a few in a thousand there.
    expect(kept.filter((one) => one !== undefined).length).toBeLessThan(3);
    const found = Array.from({ length: 30 }, () => endedAfter(0.4, 0.2, 4000));
    expect(found.every((one) => one !== undefined)).toBe(true);
  });
});

describe("the guard", () => {
  const decided = (
    candidate: readonly number[],
    control: readonly number[],
    over: Partial<ReleasePlan> = {},
  ) =>
    decide(
      {
        plan: { ...plan, ...over },
        step: 0,
        stepSince: asEpochMicros(1),
        startedAt: asEpochMicros(1),
        isPaused: false,
        approvalsLacking: 0,
      },
      [evidence(candidate, control)],
      asEpochMicros(1_000_000),
    );

  test("ends a release in which the champion's decisions became rare or frequent, and names the answers", () => {
    for (const candidate of [
      [500, 500],
      [990, 10],
    ] as const)
      expect(decided(candidate, [800, 200])).toMatchObject({
        kind: "roll_back",
        reasons: [expect.stringMatching(/^diverged \(answers from 0.5\)/)],
      });
    expect(decided([800, 200], [800, 200]).kind).toBe("hold");
  });

  test("promotes what is shown to answer alike, and holds without answers that can be read", () => {
    expect(decided([8000, 2000], [8000, 2000])).toMatchObject({ kind: "promote" });
    const unread = decided([], []);
    expect(unread.kind).toBe("hold");
    expect(unread.reasons.join()).toMatch(/diverged \(answers below 0.5\): not shown to be alike/);
  });

  test("is none of named callers, and edges that do not grow are no plan", () => {
    const internal: ReleasePlan["steps"][number] = {
      kind: "internal",
      by: "tenant",
      values: ["bu_1"],
      leastRequests: 1,
      leastSeconds: 0,
    };
    expect(decided([0, 1000], [1000, 0], { steps: [internal, canary(50)] }).kind).not.toBe("roll_back");
    expect(findPlanProblems({ ...plan, divergence: { edges: [0.5, 0.2], atMost: 1 } })).toEqual([
      "the edges of its divergence do not grow",
    ]);
  });
});

test("answers are counted for the version that gave them, by what they say", () => {
  const record = (
    said: unknown,
    of: Parameters<typeof aHeader>[0],
    mediaType = "application/json",
  ): StoredPrediction => ({
    header: aHeader(of),
    payload: {
      outputs: {
        mediaType,
        bytes: Buffer.from(
          JSON.stringify({ outputs: [{ name: "p", datatype: "FP64", shape: [1], data: [said] }] }),
        ),
      },
    },
  });
  const own = { version: 2, variant: "canary" } as const;
  const release = {
    endpoint: "churn",
    environment: "dev",
    candidate: { model: "churn", version: 2 },
    champion: { model: "churn", version: 1 },
    slowMs: null,
  };
  const counted = countAnswers(
    [
      record(0.1, { version: 1 }),
      record(0.5, { version: 1 }),
      record(0.9, own),
      record(0.9, { ...own, variant: "shadow" }),
      record(0.9, { version: 1, variant: "fallback" }),
      record(0.9, { ...own, replayOf: "prd_0" }),
      record(0.9, { ...own, status: { kind: "error", httpStatus: 500, reason: "serving.model_failed" } }),
      record("yes", own),
      record(0.9, own, "application/octet-stream"),
      { header: aHeader(own) } as StoredPrediction,
    ],
    release,
    { edges: [0.5], atMost: 0.25 },
  );
  expect(counted).toEqual([
    { snapshotVersion: 7, arm: "control", cells: [1, 1] },
    { snapshotVersion: 7, arm: "candidate", cells: [0, 1] },
  ]);
});
