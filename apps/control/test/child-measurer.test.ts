import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { mlpModel } from "@portolan/onnx-format/testing";
import { ComputeProfile } from "@portolan/registry/contract";
import { Value } from "@portolan/typebox";
import { afterAll, expect, test } from "vitest";
import { createChildMeasurer } from "../src/profiling/child-measurer.ts";

const folder = mkdtempSync(join(tmpdir(), "measurer-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a version's profile says what one row and many take, what it holds, and on which machine", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const bytes = mlpModel([30, 2048, 2048, 2]);
  const small = await objects.put(mlpModel([30, 8, 2]));
  const large = await objects.put(bytes);
  const measurer = createChildMeasurer(objects);
  const signal = new AbortController().signal;
  const profile = await measurer.measure(large, signal);
  Value.Assert(ComputeProfile, profile);
  expect(profile).toMatchObject({ artifact: large, threads: 1, machine: { gpus: [] } });
  expect(profile.machine.cpu.length).toBeGreaterThan(3);
  expect(profile.runtime).toMatch(/^onnxruntime-node \d+\.\d+/);
  const { single, batches, memory } = profile;
  expect(single.p95Micros).toBeGreaterThanOrEqual(single.p50Micros);
  expect(batches[0]?.rows).toBe(1);
  expect(batches.length).toBeGreaterThan(3);
  expect(memory.modelBytes).toBe(bytes.length);
  expect(memory.peakBytes).toBeGreaterThan(memory.loadedBytes);
  // Weights of 16 MiB, and none of what every process with the runtime in it holds.
  const least = await measurer.measure(small, signal);
  expect(memory.loadedBytes).toBeGreaterThan(0.7 * bytes.length);
  expect(least.memory.loadedBytes).toBeLessThan(12 * 2 ** 20);
  // Some four million multiplications against next to nothing: the difference does not depend on the machine's mood.
  expect(single.cpuMicros).toBeGreaterThan(least.single.cpuMicros);
});

test("a measurement that is stopped ends, and says so in the registry's words", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const bytes = mlpModel([3, 4, 2]);
  const model = await objects.put(bytes);
  const stop = new AbortController();
  const measuring = createChildMeasurer(objects).measure(model, stop.signal);
  stop.abort();
  await expect(measuring).rejects.toMatchObject({ code: "registry.not_measurable" });
});
