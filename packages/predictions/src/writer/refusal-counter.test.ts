import { asEpochMicros } from "@portolan/kernel";
import { expect, test } from "vitest";
import type { PredictionContext } from "../contract.ts";
import { RefusalCounter } from "./refusal-counter.ts";

const context: PredictionContext = {
  organisationId: "org_1",
  useCaseId: "uc_1",
  endpoint: "churn",
  environment: "dev",
  model: { name: "churn", version: "1", digest: "sha256:" },
  variant: "champion",
  snapshotVersion: 1,
  costTags: {},
};
const refusal = (over: Partial<PredictionContext> = {}) => ({
  context: { ...context, ...over },
  principal: "sa_1",
  requestId: "req_1",
  receivedAt: asEpochMicros(0),
  httpStatus: 424,
  reason: "serving.features_unavailable",
});

test("a flood is counted for each version of an endpoint apart: which of them refuses is on the record", () => {
  const counter = new RefusalCounter(1);
  const canary = { variant: "canary", model: { name: "churn", version: "2", digest: "sha256:" } } as const;
  const admitted = [refusal(), refusal(), refusal(canary), refusal(canary), refusal(canary)].map((one) =>
    counter.admit(one),
  );
  expect(admitted).toEqual([true, false, true, false, false]);
  expect(counter.drain().map((one) => [one.refusal.context.variant, one.count])).toEqual([
    ["champion", 1],
    ["canary", 2],
  ]);
});
