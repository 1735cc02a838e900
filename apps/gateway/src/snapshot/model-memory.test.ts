import type { ModelReference } from "@portolan/serving/contract";
import { expect, test } from "vitest";
import { describeNeed, heldBytes, leastBytes, measuredIn, memoryOf, runnerOwnBytes } from "./model-memory.ts";

const digest = `sha256:${"1".repeat(64)}`;
const reference: ModelReference = {
  name: "delays",
  version: 3,
  digest,
  sizeBytes: 1000,
  bundle: { digest, signedAt: 1 },
  signature: { inputs: [], outputs: [] },
  origin: "trained",
};
const ready = (tier: "inline" | "worker" | "runner") => ({
  kind: "ready" as const,
  tier,
  warmUpMicros: 1,
  profile: [],
});

test("a model counts as what was measured of it, else as twice its file, and elsewhere as nothing", () => {
  const measured = measuredIn([{ memory: [{ digest, loadedBytes: 13_000 }] }, {}]);
  expect(memoryOf(reference, measured)).toEqual({ bytes: 13_000, basis: "measured" });
  expect(memoryOf(reference, new Map())).toEqual({ bytes: 2000, basis: "estimated" });
  // The process that measured had memory to spare: the weights are there all the same.
  expect(memoryOf(reference, new Map([[digest, 0]]))).toEqual({ bytes: 1000, basis: "measured" });
  const upstream = {
    protocol: "open-inference" as const,
    region: "local",
    owner: "self",
    environments: ["dev" as const],
  };
  const elsewhere = memoryOf({ ...reference, upstream }, measured);
  expect(elsewhere).toEqual({ bytes: 0, basis: "elsewhere" });
  expect([leastBytes(elsewhere, "imported"), heldBytes(elsewhere, 1, ready("runner"))]).toEqual([0, 0]);
});

test("each copy counts, and so does the process around it where it has one of its own", () => {
  const memory = { bytes: 10, basis: "measured" } as const;
  expect(heldBytes(memory, 1, ready("inline"))).toBe(10);
  expect(heldBytes(memory, 3, ready("worker"))).toBe(30);
  expect(heldBytes(memory, 2, ready("runner"))).toBe(2 * (10 + runnerOwnBytes));
  expect(heldBytes(memory, 0, { kind: "starting" })).toBe(10);
  expect(leastBytes(memory, "trained")).toBe(10);
  expect(leastBytes(memory, "imported")).toBe(10 + runnerOwnBytes);
  expect(describeNeed({ bytes: 10 * 2 ** 20, basis: "estimated" }, "imported")).toBe(
    "74.0 MiB (estimated from its file, and 64.0 MiB for its own process)",
  );
});
