import { asEpochMicros } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { expect, test } from "vitest";
import { isChosen } from "./choose-predictions.ts";

function header(
  id: string,
  change: Partial<PredictionHeader> = {},
  context: Partial<PredictionHeader["context"]> = {},
): PredictionHeader {
  return {
    id,
    context: {
      organisationId: "org_1",
      useCaseId: "uc_1",
      endpoint: "delays",
      environment: "production",
      model: { name: "delays", version: "1", digest: "sha256:ab" },
      variant: "champion",
      snapshotVersion: 1,
      costTags: {},
      ...context,
    },
    principal: "usr_1",
    requestId: "req_1",
    receivedAt: asEpochMicros(1),
    latency: { totalMicros: 1 },
    status: { kind: "ok" },
    ...change,
  };
}

const ids = Array.from(
  { length: 20_000 },
  (_, at) => `prd_0mwr2jm00abcdefghjkmnpqrst_1_0_${at.toString(32)}`,
);

test("a share of predictions is chosen by their ids alone: about so many, the same ones every time, and of a larger share all of a smaller one", () => {
  const chosen = (share: number) => ids.filter((id) => isChosen(header(id), share));
  const five = chosen(0.05);
  // Four standard deviations of a binomial.
  expect(Math.abs(five.length - 1000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.05 * 0.95));
  expect(chosen(0.05)).toEqual(five);
  const ten = new Set(chosen(0.1));
  expect(five.every((id) => ten.has(id))).toBe(true);
  expect(chosen(1)).toEqual(ids);
  // Written down: another hash would choose others after an upgrade.
  expect(ids.slice(0, 400).filter((id) => isChosen(header(id), 0.01))).toMatchInlineSnapshot(`
    [
      "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_1d",
      "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_2c",
      "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_3j",
      "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_62",
      "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_6i",
    ]
  `);
});

test("only what a model said to somebody is chosen", () => {
  expect(isChosen(header("prd_1"), 1)).toBe(true);
  const { model: _, ...ruled } = header("prd_1").context;
  for (const other of [
    header("prd_1", { replayOf: "prd_0" }),
    header("prd_1", { status: { kind: "error", httpStatus: 500, reason: "serving.model_failed" } }),
    header("prd_1", {}, { variant: "shadow" }),
    { ...header("prd_1"), context: ruled },
  ])
    expect(isChosen(other, 1)).toBe(false);
});
