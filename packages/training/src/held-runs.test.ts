import { PortolanError } from "@portolan/kernel";
import { aCall, namedPlaces, testAuthorizer } from "@portolan/testkit";
import { expect, test } from "vitest";
import type { TrainingRunRequest } from "./contract.ts";
import { startTrainingRun, type TrainingDeps } from "./training-runs.ts";

const request: TrainingRunRequest = {
  environment: "dev",
  useCaseId: "uc_1",
  trainingSetId: "ts_1",
  code: `sha256:${"0".repeat(64)}`,
  locks: {},
  params: {},
  seed: 7,
};

/** What is asked before a run is taken on; whatever comes after is not there, and would be noticed. */
function start(requireBudget: (call: unknown, useCaseId: string) => Promise<void>) {
  const charters = { requireInForce: () => Promise.resolve({ regulated: true }), requireBudget };
  const isolation = { level: "none", ownAccount: false, networkBlocked: false } as const;
  const asked = {
    authorizer: testAuthorizer({ data_scientist: ["*"] }),
    places: namedPlaces,
    charters,
    isolation,
  };
  return startTrainingRun(asked as unknown as TrainingDeps, aCall({ roles: ["data_scientist"] }), request);
}

test("where the month's money is spent no run is taken on", async () => {
  const spent = (_call: unknown, useCaseId: string) =>
    Promise.reject(new PortolanError("metering.budget_exhausted", { detail: useCaseId }));
  await expect(start(spent)).rejects.toMatchObject({ code: "metering.budget_exhausted", detail: "uc_1" });
  await expect(
    start(async () => {}),
    "the next thing that is asked",
  ).rejects.toMatchObject({ code: "training.not_isolated" });
});
