import { expect, test } from "vitest";
import { waiting } from "./outcome.ts";
import { waitingForRun } from "./train-steps.ts";

test("a retraining whose run waits for its team's quota says why; without quotas it says what it said", () => {
  const says =
    "waits for cpu: others hold it, and it may not evict them; number 2 in the queue of retail/fraud";
  expect(waitingForRun({ queue: { says } })).toEqual({ kind: "wait", reasons: [`the training run ${says}`] });
  expect(waitingForRun({})).toBe(waiting);
});
