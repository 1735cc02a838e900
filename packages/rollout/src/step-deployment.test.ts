import type { DeployRequest } from "@portolan/serving/contract";
import { expect, test } from "vitest";
import { defaultPlan, type ReleasePlan } from "./plan.ts";
import { baseOf, type DeployedRelease, deploymentOf, sharesAlike } from "./step-deployment.ts";

const base: DeployRequest = { environment: "dev", useCaseId: "uc_1", model: "churn", version: 1 };
const internal = {
  kind: "internal",
  by: "tenant",
  values: ["bu_1"],
  leastRequests: 1,
  leastSeconds: 0,
} as const;
const [shadow, canary] = defaultPlan.steps;
const steps = [shadow, { ...internal, values: [...internal.values] }, canary].filter(
  (step) => step !== undefined,
);
const plan: ReleasePlan = { ...defaultPlan, steps };
const at = (step: number, state: DeployedRelease["state"] = "running") =>
  deploymentOf({ state, step, plan, base, model: "churn", version: 2, features: null });

test("each step is a deployment of the champion with the candidate beside it", () => {
  expect(at(-1)).toEqual(base);
  const candidate = { name: "candidate", model: "churn", version: 2 };
  expect(at(0)).toEqual({ ...base, variants: [{ ...candidate, kind: "shadow", sample: 1 }] });
  expect(at(1)).toMatchObject({
    version: 1,
    variants: [{ ...candidate, kind: "split" }],
    traffic: { rules: [{ by: "tenant", values: ["bu_1"], variant: "candidate" }], split: [] },
  });
  expect(at(2)).toMatchObject({ version: 1, traffic: { split: [{ variant: "candidate", weight: 5 }] } });
  expect(at(2, "paused")).toEqual(at(2));
});

test("promoted, the candidate is the endpoint's own version and the champion of before stays loaded, unasked", () => {
  const promoted = at(2, "promoted");
  expect(promoted).toEqual({
    ...base,
    version: 2,
    variants: [{ name: "previous", kind: "split", model: "churn", version: 1 }],
  });
  // The next release begins with that deployment.
  expect(baseOf(promoted)).toEqual({ ...base, version: 2 });
});

test.each(["rolled_back", "inconclusive"] as const)("%s, the endpoint is what it was", (state) => {
  expect(at(2, state)).toEqual(base);
});

test("a deployment that shares out requests itself is no base", () => {
  expect(baseOf({ ...base, traffic: { split: [] } })).toBeUndefined();
  const variants = [{ name: "trial", kind: "shadow", model: "churn", version: 3 }] as const;
  expect(baseOf({ ...base, variants: variants.map((one) => ({ ...one })) })).toBeUndefined();
});

test("deployments are told apart by who answers what, not by what the server fills in", () => {
  const features = { service: "churn", views: [], entityKeys: [], columns: [], maxAgeMs: null };
  expect(sharesAlike(at(2), { ...at(2), features })).toBe(true);
  expect(sharesAlike(at(1), at(2))).toBe(false);
  expect(sharesAlike(at(2), at(2, "rolled_back"))).toBe(false);
});
