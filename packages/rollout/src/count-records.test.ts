import type { PredictionHeader } from "@portolan/predictions/contract";
import { expect, test } from "vitest";
import { aHeader } from "../test/prediction-headers.ts";
import { countRecords } from "./count-records.ts";
import { noCounts } from "./judge-guards.ts";
import { evidenceOf } from "./step-evidence.ts";

const release = {
  endpoint: "churn",
  environment: "dev",
  candidate: { model: "churn", version: 2 },
  champion: { model: "churn", version: 1 },
  slowMs: 10,
};
const counted = (...headers: PredictionHeader[]) => countRecords(headers, release);

test("requests, errors and late answers are counted for the version that answered, by snapshot", () => {
  const error = { kind: "error", httpStatus: 502, reason: "serving.model_failed" } as const;
  expect(
    counted(
      aHeader({ version: 1 }),
      aHeader({ version: 1, latencyMs: 11 }),
      aHeader({ version: 2, variant: "canary", status: error, latencyMs: 50 }),
      aHeader({ version: 2, variant: "shadow" }),
      aHeader({ version: 2, variant: "canary", snapshotVersion: 8 }),
    ),
  ).toEqual([
    { snapshotVersion: 7, arm: "control", requests: 2, errors: 0, slow: 1, fallbacks: 0 },
    { snapshotVersion: 7, arm: "candidate", requests: 2, errors: 1, slow: 1, fallbacks: 0 },
    { snapshotVersion: 8, arm: "candidate", requests: 1, errors: 0, slow: 0, fallbacks: 0 },
  ]);
});

test("another place of the champion, which is a version of its own, is the champion's", () => {
  const backend = { hardware: "gpu", why: "cheapest" } as const;
  const elsewhere = aHeader({ version: 9 });
  const headers = [aHeader({ version: 1 }), { ...elsewhere, context: { ...elsewhere.context, backend } }];
  expect(counted(...headers)).toMatchObject([{ arm: "control", requests: 2 }]);
});

test("what the champion answers in the candidate's place is the candidate's fallback", () => {
  const insteadOf = { name: "churn", version: "2" };
  expect(counted(aHeader({ version: 1, variant: "fallback", insteadOf }))).toMatchObject([
    { arm: "candidate", requests: 1, fallbacks: 1 },
  ]);
});

test("refusals, replays, faults of callers and other endpoints say nothing of a version", () => {
  const refused = { kind: "refused", httpStatus: 429, reason: "serving.rate_limited", count: 3 } as const;
  const badRequest = { kind: "error", httpStatus: 400, reason: "serving.bad_request" } as const;
  expect(counted(aHeader({ version: 2, status: refused }))).toEqual([]);
  // But for the features that a version asks for.
  const lacking = { ...refused, httpStatus: 424, reason: "serving.features_unavailable" };
  expect(counted(aHeader({ version: 2, status: lacking }))).toMatchObject([{ requests: 3, errors: 3 }]);
  // And for what waited too long for a version that is slow.
  const busy = { ...refused, httpStatus: 503, reason: "serving.overloaded" };
  expect(counted(aHeader({ version: 2, variant: "canary", status: busy }))).toMatchObject([
    { arm: "candidate", requests: 3, errors: 3 },
  ]);
  // And while the version's circuit is open.
  const broken = { ...refused, httpStatus: 503, reason: "serving.model_unavailable" };
  expect(counted(aHeader({ version: 2, status: broken }))).toMatchObject([{ requests: 3, errors: 3 }]);
  expect(counted(aHeader({ version: 2, replayOf: "prd_1" }))).toEqual([]);
  // Whoever names a version has no part in the shares by which evidence is measured.
  for (const version of [1, 2]) expect(counted({ ...aHeader({ version }), namesVersion: true })).toEqual([]);
  const flag = { key: "next-model", value: "next" };
  for (const version of [1, 2]) expect(counted({ ...aHeader({ version }), flag })).toEqual([]);
  expect(counted(aHeader({ version: 2, endpoint: "delays" }))).toEqual([]);
  expect(counted(aHeader({ version: 3, variant: "shadow" }))).toEqual([]);
  expect(counted(aHeader({ version: 2, status: badRequest }))).toMatchObject([{ requests: 1, errors: 0 }]);
  // A copy that never had its turn says that the machine was busy.
  const overloaded = { kind: "error", httpStatus: 503, reason: "shadow overloaded" } as const;
  expect(counted(aHeader({ version: 2, variant: "shadow", status: overloaded }))).toEqual([]);
});

test("a request belongs to the step whose snapshot it was answered from, however late it is counted", () => {
  const since = 0 as never;
  const taken = [
    { step: 0, snapshotVersion: 7, since },
    { step: 1, snapshotVersion: 9, since },
  ];
  const arm = (snapshotVersion: number, requests: number) => ({
    ...noCounts,
    snapshotVersion,
    requests,
    arm: "candidate" as const,
  });
  const evidence = evidenceOf(2, taken, [arm(6, 1), arm(7, 10), arm(8, 100), arm(9, 1000), arm(12, 10_000)]);
  expect(evidence.map(({ candidate }) => candidate.requests)).toEqual([110, 11_000, 0]);
});
