import { type CallContext, type Digest, type Id, newId, systemActor, systemClock } from "@portolan/kernel";
import { expect, test } from "vitest";
import type { MetricPoint } from "./contract.ts";
import { blocksOf, groupOf, type PointsOfRequest } from "./point-groups.ts";

const call: CallContext = {
  actor: systemActor("test", "org_1" as Id<"organisation">),
  requestId: newId("request", systemClock.now()),
};
const point = (key: string, step: number, value = step): MetricPoint => ({
  key,
  value,
  timestampMs: 1,
  step,
});
const request = (runId: string, points: readonly MetricPoint[], digest = "sha256:a"): PointsOfRequest => ({
  call,
  runId,
  points,
  digest: digest as Digest,
  bytes: 1024,
});
const many = (from: number) => Array.from({ length: 100 }, (_, i) => point("curve", from + i));

test("few points of one run share a block, whose digest is of them all; many are the block that they are when sent again", () => {
  const alone = request("crn_1", [point("loss", 1)], "sha256:alone");
  expect(blocksOf("crn_1", [alone])).toEqual([
    { runId: "crn_1", call, requests: 1, digest: "sha256:alone", points: alone.points },
  ]);
  const large = request("crn_1", many(0), "sha256:large");
  const blocks = blocksOf("crn_1", [alone, large, request("crn_1", [point("loss", 2, Number.NaN)]), large]);
  expect(blocks.map(({ points }) => points.length)).toEqual([100, 2]);
  expect(blocks[0]?.digest).toBe("sha256:large");
  expect(blocks[1]?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});

test("a group counts each run once, in one order, with its latest points by step, time and value", () => {
  const group = groupOf([
    request("crn_2", [point("loss", 5, 0.5)]),
    request("crn_1", [point("loss", 9, 0.1), point("auc", 1)]),
    request("crn_1", [point("loss", 9, 0.3)]),
    request("crn_1", [point("loss", 2, 0.9)]),
  ]);
  expect(group.runs).toEqual([
    { runId: "crn_1", organisationId: "org_1", bytes: 3 * 1024 },
    { runId: "crn_2", organisationId: "org_1", bytes: 1024 },
  ]);
  expect(group.latest.map(({ runId, point: { key, value } }) => [runId, key, value])).toEqual([
    ["crn_1", "auc", 1],
    ["crn_1", "loss", 0.3],
    ["crn_2", "loss", 0.5],
  ]);
});
