import { asEpochMicros } from "@portolan/kernel";
import { expect, test } from "vitest";
import { actions } from "./actions.ts";
import { outsideCredential } from "./run-token-wall.ts";

const credential = { kind: "run_token", runId: "run_1" } as const;
const own = { type: "TrainingRun", id: "run_1" };

test("the token of a run does two things to that run, of all actions there are", () => {
  const able = Object.keys(actions).filter((action) => !outsideCredential(credential, action, own));
  expect(able).toEqual(["training:track", "training:read"]);
});

test("it reaches no other run, not all of them, and nothing that only has the same id", () => {
  for (const resource of [
    { type: "TrainingRun", id: "run_2" },
    { type: "TrainingRun" },
    { type: "Model", id: "run_1" },
    { type: "ClientRun", id: "run_1" },
  ])
    expect(outsideCredential(credential, "training:read", resource)).toBeDefined();
});

test("nobody but a trainer logs to a run of training, whatever their role; everything else is left to the policies", () => {
  for (const other of [undefined, { kind: "token", issuedAt: asEpochMicros(0) } as const]) {
    expect(outsideCredential(other, "training:track", own)).toBeDefined();
    expect(outsideCredential(other, "training:read", own)).toBeUndefined();
    expect(outsideCredential(other, "training:track", { type: "ClientRun", id: "crn_1" })).toBeUndefined();
    expect(outsideCredential(other, "registry:promote")).toBeUndefined();
  }
});
