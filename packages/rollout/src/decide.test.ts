import { asEpochMicros, formatInstant, microsPerSecond } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { approvalsNeeded } from "./approvals.ts";
import { decide, type ReleaseStanding } from "./decide.ts";
import { type ArmCounts, judgeGuards, noCounts, type StepEvidence } from "./judge-guards.ts";
import { defaultPlan, findPlanProblems, type ReleasePlan } from "./plan.ts";

const start = asEpochMicros(1_000_000_000_000);
const after = (seconds: number) => asEpochMicros(start + seconds * microsPerSecond);
const canary = (percent: number) =>
  ({ kind: "canary", percent, leastRequests: 100, leastSeconds: 10 }) as const;
const plan: ReleasePlan = {
  ...defaultPlan,
  steps: [canary(5), canary(50)],
  slowMs: 100,
  deadlineSeconds: 3600,
};
const standing = (over: Partial<ReleaseStanding> = {}): ReleaseStanding => ({
  plan,
  step: 0,
  stepSince: start,
  startedAt: start,
  isPaused: false,
  approvalsLacking: 0,
  ...over,
});
const counts = (requests: number, over: Partial<ArmCounts> = {}): ArmCounts => ({
  ...noCounts,
  requests,
  ...over,
});
const step = (candidate: ArmCounts, control: ArmCounts): StepEvidence => ({ candidate, control });
const clean = step(counts(5000), counts(95_000));
const none = step(noCounts, noCounts);

describe("a release", () => {
  test("without requests holds, however long it waits, and its deadline is inconclusive", () => {
    const waiting = decide(standing(), [none], after(3599));
    expect(waiting).toMatchObject({ kind: "hold" });
    expect(waiting.reasons[0]).toMatch(/^no data/);
    expect(decide(standing(), [none], after(3600)).kind).toBe("inconclusive");
  });

  test("nobody but the candidate is no evidence", () => {
    const alone = decide(standing({ step: 1 }), [clean, step(counts(5000), noCounts)], after(60));
    expect(alone).toMatchObject({ kind: "hold" });
    expect(alone.reasons.join()).toMatch(/no requests to compare/);
  });

  test("moves on with its requests and its time, and not before", () => {
    expect(decide(standing(), [clean], after(60))).toMatchObject({ kind: "advance", to: 1 });
    expect(decide(standing(), [clean], after(9)).reasons).toEqual([`not before ${formatInstant(after(10))}`]);
    expect(decide(standing({ stepSince: undefined }), [clean], after(60)).kind).toBe("hold");
    const few = step(counts(99), counts(2000));
    expect(decide(standing(), [few], after(60)).reasons).toEqual(["99 of 100 requests"]);
    expect(decide(standing({ step: -1, stepSince: undefined }), [], start)).toMatchObject({
      kind: "advance",
      to: 0,
    });
  });

  test("is promoted when every guard is shown to be no worse", () => {
    const last = standing({ step: 1 });
    expect(decide(last, [clean, step(counts(5000), counts(5000))], after(60)).kind).toBe("promote");
    // So few requests may hide more than the margin.
    const early = [step(counts(150), counts(2850)), step(counts(150), counts(150))];
    const decision = decide(last, early, after(60));
    expect(decision.kind).toBe("hold");
    expect(decision.reasons.join()).toMatch(/errors: not shown to be no worse/);
  });

  test("that is judged by outcomes is promoted by those that are known, and not while none is", () => {
    const judged = standing({ step: 1, plan: { ...plan, wrong: { decideAt: 0.5 } } });
    const last = (labelled: number, candidate: number, control: number): StepEvidence =>
      step(counts(5000, { labelled, wrong: candidate }), counts(5000, { labelled, wrong: control }));
    const unknown = decide(judged, [clean, step(counts(5000), counts(5000))], after(60));
    expect(unknown.kind).toBe("hold");
    expect(unknown.reasons.join()).toMatch(/wrong: not shown to be no worse: candidate up to 100/);
    // Of few that are known nothing is shown, however many requests there were.
    expect(decide(judged, [clean, last(100, 1, 1)], after(60)).kind).toBe("hold");
    expect(decide(judged, [clean, last(5000, 5, 5)], after(60)).kind).toBe("promote");
    const worse = decide(judged, [clean, last(5000, 400, 200)], after(60));
    expect(worse).toMatchObject({ kind: "roll_back" });
    expect(worse.reasons.join()).toMatch(/^wrong: evidence of harm/);
  });

  test("is promoted by its last step alone: a bad hour of the champion, long ago, excuses nothing", () => {
    const badHour = step(counts(1000, { errors: 100 }), counts(19_000, { errors: 1900 }));
    const worse = step(counts(2000, { errors: 70 }), counts(2000, { errors: 50 }));
    const decision = decide(standing({ step: 1 }), [badHour, worse], after(60));
    expect(decision.kind).toBe("hold");
    expect(decision.reasons.join()).toMatch(/errors: not shown to be no worse/);
  });

  test("is not promoted while nobody reports an event of its plan, of whichever version", () => {
    const named = { ...standing({ step: 1 }), plan: { ...plan, events: ["support"] } };
    const last = (support: number) => step(counts(9000), counts(9000, { posted: { support } }));
    const silent = decide(named, [clean, last(0)], after(60));
    expect(silent).toEqual({ kind: "hold", reasons: ["no data: support was reported of neither version"] });
    expect(decide(named, [clean, last(1)], after(60)).kind).toBe("promote");
  });

  test.each(["errors", "slow", "fallbacks"] as const)(
    "is rolled back for its %s, also while paused",
    (guard) => {
      const bad = step(counts(1000, { [guard]: 60 }), counts(19_000, { [guard]: 190 }));
      for (const isPaused of [false, true]) {
        const decision = decide(standing({ isPaused }), [bad], after(1));
        expect(decision.kind).toBe("roll_back");
        expect(decision.reasons.join()).toContain(guard);
      }
    },
  );

  test("is rolled back for events that are posted, where its plan names them, and for no others", () => {
    const posted = (support: number) => ({ posted: { support } });
    const bad = step(counts(1000, posted(40)), counts(19_000, posted(60)));
    const named = { ...plan, events: ["support"] };
    expect(decide(standing({ plan: named }), [bad], after(1)).reasons.join()).toMatch(/^support: evidence/);
    expect(decide(standing(), [bad], after(60)).kind).toBe("advance");
    // Posted a moment before its request is counted.
    const early = step(counts(0, posted(1)), counts(0));
    expect(decide(standing({ plan: named }), [early], after(1)).kind).toBe("hold");
  });

  test("is not rolled back for what the champion does as well", () => {
    const both = step(counts(1000, { errors: 300 }), counts(19_000, { errors: 5700 }));
    expect(decide(standing(), [both], after(1)).kind).toBe("hold");
  });

  test("latency is not judged where no answer is late", () => {
    const slow = step(counts(1000, { slow: 900 }), counts(19_000));
    const unbound = { ...plan, slowMs: null };
    expect(decide(standing({ plan: unbound }), [slow], after(60)).kind).toBe("advance");
  });

  test("paused, it stays where it is", () => {
    expect(decide(standing({ isPaused: true }), [clean], after(60))).toEqual({
      kind: "hold",
      reasons: ["paused"],
    });
  });

  test("a shadow needs no approval; whoever is answered does", () => {
    const shadowed: ReleasePlan = {
      ...plan,
      steps: [{ kind: "shadow", sample: 1, leastRequests: 10, leastSeconds: 0 }, canary(5)],
    };
    const lacking = { plan: shadowed, approvalsLacking: 1 };
    expect(decide(standing({ ...lacking, step: -1 }), [], start)).toMatchObject({ kind: "advance", to: 0 });
    const shown = step(counts(500), counts(500));
    expect(decide(standing({ ...lacking, step: 0 }), [shown], after(60))).toEqual({
      kind: "hold",
      reasons: ["waits for 1 approval"],
    });
    const failing = step(counts(500, { errors: 60 }), counts(500, { errors: 2 }));
    expect(decide(standing({ ...lacking, step: 0 }), [failing], after(1)).kind).toBe("roll_back");
  });

  test("named callers are no random share: harm there is a rate beyond the champion's and the margin", () => {
    const internal: ReleasePlan = {
      ...plan,
      steps: [
        { kind: "internal", by: "principal", values: ["usr_1"], leastRequests: 10, leastSeconds: 0 },
        canary(5),
      ],
    };
    const judged = (errors: number) =>
      decide(
        standing({ plan: internal }),
        [step(counts(100, { errors }), counts(1000, { errors: 10 }))],
        after(1),
      );
    expect(judged(60).kind).toBe("roll_back");
    expect(judged(1)).toMatchObject({ kind: "advance" });
  });
});

test("callers with much traffic make no harm of their share", () => {
  // A twentieth of the callers, and a half of the requests and so of the errors.
  const heavy = step(counts(10_000, { errors: 100 }), counts(10_000, { errors: 100 }));
  const isHarmed = (sticky: ReleasePlan["sticky"]) =>
    judgeGuards({ ...plan, sticky }, [heavy]).some((guard) => guard.isHarmed);
  expect([isHarmed("principal"), isHarmed("request")]).toEqual([false, true]);
});

test("more errors of the candidate never turn a rollback into anything else", () => {
  const some = fc.integer({ min: 0, max: 400 });
  fc.assert(
    fc.property(some, some, some, (errors, controlErrors, more) => {
      const of = (bad: number) =>
        decide(
          standing(),
          [step(counts(1000, { errors: bad }), counts(19_000, { errors: controlErrors }))],
          after(60),
        );
      if (of(errors).kind === "roll_back") expect(of(errors + more).kind).toBe("roll_back");
    }),
  );
});

test.each<[string, ReleasePlan["steps"]]>([
  ["no canary step", [{ kind: "shadow", sample: 1, leastRequests: 1, leastSeconds: 1 }]],
  ["do not grow", [canary(25), canary(5)]],
  ["not in the order", [canary(5), { kind: "shadow", sample: 1, leastRequests: 1, leastSeconds: 1 }]],
])("a plan whose steps say that there is %s cannot be followed", (problem, steps) => {
  expect(findPlanProblems({ ...plan, steps }).join()).toContain(problem);
  expect(findPlanProblems(defaultPlan)).toEqual([]);
});

test("a plan cannot set its own bar so low that any version passes", () => {
  const within = (relative: number, absolute: number) =>
    findPlanProblems({ ...plan, margin: { relative, absolute } });
  expect(within(1, 0.1)).toEqual([]);
  expect(within(1.1, 0).join()).toContain("lets nearly any version pass");
  expect(within(0, 1).join()).toContain("lets nearly any version pass");
});

test("in production at least one other person approves, two where little risk is tolerated", () => {
  const terms = (riskTolerance: "low" | "medium" | "high") => ({ latencyMsP95: 50, riskTolerance });
  expect(
    (["low", "medium", "high"] as const).map((one) => approvalsNeeded("production", terms(one))),
  ).toEqual([2, 1, 1]);
  expect(approvalsNeeded("staging", terms("low"))).toBe(0);
  expect(approvalsNeeded("production", undefined)).toBe(0);
});
