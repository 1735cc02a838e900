import { defaultPlan } from "@portolan/rollout/policy";
import { expect, test } from "vitest";
import { describeRelease, progressOf } from "../release/release-text.ts";
import { type PlanOptions, parsePlan } from "./release-plan.ts";

const least = { leastRequests: "500", leastSeconds: "60" };
const noFile = () => Promise.reject(new Error("no file is named"));
const parse = (options: Partial<PlanOptions>) => parsePlan({ ...least, ...options }, noFile);

test("what is said of a plan is sent, and nothing where nothing is said", async () => {
  expect(await parse({})).toBeUndefined();
  expect(
    await parse({ sticky: "X-Patient", slow: "40", deadline: "600", event: ["support-tickets"] }),
  ).toEqual({
    sticky: { header: "x-patient" },
    slowMs: 40,
    events: ["support-tickets"],
    deadlineSeconds: 600,
  });
  const step = { leastRequests: 500, leastSeconds: 60 };
  expect(await parse({ shadow: "20", internal: ["tenant=bu_1"], canary: "1,12.5" })).toEqual({
    steps: [
      { kind: "shadow", sample: 0.2, ...step },
      { kind: "internal", by: "tenant", values: ["bu_1"], ...step },
      { kind: "canary", percent: 1, ...step },
      { kind: "canary", percent: 12.5, ...step },
    ],
  });
  expect(await parse({ decideAt: "0.5" })).toEqual({ wrong: { decideAt: 0.5 } });
  expect(await parse({ wrongBeyond: "10" })).toEqual({ wrong: { beyond: 10 } });
  expect(await parse({ byClass: true })).toEqual({ wrong: { classes: [] } });
  expect(await parse({ ndcgBelow: "0.5" })).toEqual({ wrong: { ndcgBelow: 0.5 } });
  expect(await parse({ divergenceEdges: "0.2,0.5", divergenceMost: "0.25" })).toEqual({
    divergence: { edges: [0.2, 0.5], atMost: 0.25 },
  });
  const withoutShadow = await parse({ shadow: "0" });
  expect(withoutShadow?.steps?.map(({ kind }) => kind)).toEqual(["canary", "canary", "canary"]);
});

test("a plan is a file's alone where one is named", async () => {
  const plan = { deadlineSeconds: 60 };
  expect(await parsePlan({ ...least, plan: "release.yaml" }, async () => plan)).toBe(plan);
  await expect(parsePlan({ ...least, plan: "x" }, async () => "text")).rejects.toMatchObject({
    code: "cli.bad_file",
  });
});

test.each<Partial<PlanOptions>>([
  { canary: "5,half" },
  { internal: ["lee"] },
  { shadow: "-1" },
  { deadline: "a day" },
  { decideAt: "half" },
  { divergenceEdges: "0.5" },
  { divergenceEdges: "half", divergenceMost: "0.25" },
  { decideAt: "0.5", wrongBeyond: "10" },
  { decideAt: "0.5", byClass: true },
  { byClass: true, ndcgBelow: "0.5" },
])("%j is not understood, with an example of what is", async (options) => {
  await expect(parse(options)).rejects.toMatchObject({ code: "cli.bad_usage" });
});

test("a release is told with its steps, its guards and what it waits for", () => {
  const counts = { requests: 612, errors: 3, slow: 0, fallbacks: 1 };
  const release = {
    id: "rel_1",
    endpoint: "churn",
    environment: "production" as const,
    useCaseId: "uc_1",
    candidate: { model: "churn", version: 2 },
    champion: { model: "churn", version: 1 },
    state: "running" as const,
    step: 0,
    plan: defaultPlan,
    isSettled: true,
    reasons: ["waits for 1 approval"],
    problem: null,
    approvals: { needed: 2, given: [{ by: "usr_kim", at: 0 }] },
    evidence: [{ step: 0, candidate: counts, control: counts }],
    guards: [
      {
        guard: "errors" as const,
        logEvidence: 2.5,
        logBound: 5,
        candidate: { low: 0.001, high: 0.02 },
        control: { low: 0.001, high: 0.02 },
        isNoWorse: false,
      },
    ],
    requestedBy: "usr_lee",
    startedAt: 0,
    stepSince: 0,
    endedBy: null,
    endedAt: null,
  };
  const text = describeRelease(release);
  expect(text).toContain("production/churn: churn/2 beside churn/1, running (rel_1)");
  expect(text).toContain("1 of 2 approvals by usr_kim");
  expect(text).toMatch(/shadow of 100 % +now +612, 3, 0, 1/);
  expect(text).toMatch(/errors +0\.10 to 2\.00 % .*50 % +not shown/);
  expect([progressOf(release), progressOf({ ...release, state: "promoted" })]).toEqual([0, 1]);
});
