import { expect, test } from "vitest";
import { scaleTermsOf } from "./scale-parameters.ts";
import { findScalingProblems } from "./scaling-problems.ts";

const model = {
  name: "churn",
  version: 2,
  digest: `sha256:${"0".repeat(64)}`,
  sizeBytes: 1,
  bundle: { digest: `sha256:${"1".repeat(64)}`, signedAt: 0 },
  signature: { inputs: [], outputs: [] },
  origin: "trained" as const,
};

test("what a deployment leaves out has its default, and nothing goes beyond what the process has", () => {
  const { parameters, idleMs } = scaleTermsOf([{ minimum: 2, maximum: 16, upPerStep: 4 }], 8);
  expect(parameters).toEqual({
    minimum: 2,
    maximum: 8,
    targetUtilisation: 0.7,
    queuedRowsPerWorker: 64,
    upPerStep: 4,
    downPerStep: 1,
    stabilisationMs: 60_000,
  });
  expect(idleMs).toBeUndefined();
  const all = scaleTermsOf([undefined], 3);
  expect([all.parameters.minimum, all.parameters.maximum, all.idleMs]).toEqual([1, 3, undefined]);
  expect(scaleTermsOf([], 3)).toEqual(all);
});

test("a model that several routes use has what the most demanding states, and leaves memory when all let it", () => {
  const small = { minimum: 0, maximum: 2, stabilisationSeconds: 10 };
  const large = { minimum: 0, maximum: 4, stabilisationSeconds: 30, idleSeconds: 60 };
  const both = scaleTermsOf([small, large], 8);
  expect(both.parameters).toMatchObject({ minimum: 1, maximum: 4, stabilisationMs: 30_000 });
  expect(both.idleMs).toBe(300_000);
  expect(scaleTermsOf([small, large, undefined], 8).idleMs).toBeUndefined();
  expect(scaleTermsOf([small, { minimum: 3, maximum: 3 }], 8).parameters.minimum).toBe(3);
});

test("scaling that cannot be is refused with the reason", () => {
  expect(findScalingProblems({ minimum: 0, maximum: 4, idleSeconds: 60 }, model)).toEqual([]);
  const upstream = {
    protocol: "open-inference" as const,
    region: "local",
    owner: "self",
    environments: ["dev" as const],
  };
  expect(findScalingProblems({ minimum: 5, maximum: 4, idleSeconds: 60 }, { ...model, upstream })).toEqual([
    "churn/2 is run by another server, which scales by itself",
    "at least 5 workers are more than at most 4",
    "a model with at least 5 workers is never idle; state 0 to let it leave memory",
  ]);
});
