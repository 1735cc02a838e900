import fc from "fast-check";
import { expect, test } from "vitest";
import type { WorkRequest } from "../contract.ts";
import { migModels } from "../mig/models.ts";
import { aboveSize, workSize } from "./approval-size.ts";

const gib = 2 ** 30;
const assumed = { cpu: 2, memoryBytes: 8 * gib };
const gpusOf = (...gpus: NonNullable<WorkRequest["gpus"]>): number => workSize({ gpus }, assumed).gpus;

test.each([
  ["nothing is what is assumed, and no card", {}, { gpus: 0, cpuMilli: 2000, memoryBytes: 8 * gib }],
  ["cores and memory", { cpu: "0.5", memory: "1MiB" }, { gpus: 0, cpuMilli: 500, memoryBytes: 2 ** 20 }],
  ["whole cards", { gpus: [{ model: "a100", count: 3 }, { count: 2 }] }, { gpus: 5 }],
] as const)("%s", (_name, request, size) => {
  expect(workSize(request as WorkRequest, assumed)).toMatchObject(size);
});

test("a slice is its part of the card's memory, by NVIDIA's tables; one that no card has counts as a whole card", () => {
  expect(gpusOf({ model: "H100-80GB", profile: "1g.10gb", count: 3 })).toBe(3 / 8);
  expect(gpusOf({ profile: "7g.80gb", count: 2 })).toBe(2);
  expect(gpusOf({ profile: "3g.40gb", count: 2 })).toBe(1);
  expect(gpusOf({ model: "A30-24GB", profile: "1g.6gb", count: 1 })).toBe(1 / 4);
  expect(gpusOf({ profile: "1g.1gb", count: 5 })).toBe(5);
});

test("all slices of one card that fit beside each other come to no more than the card", () => {
  for (const model of migModels)
    for (const { name, starts } of model.profiles)
      expect(gpusOf({ model: model.name, profile: name, count: starts.length })).toBeLessThanOrEqual(1);
});

test("what cannot be read is refused: it is not small", () => {
  for (const request of [{ cpu: "many" }, { memory: "-1GiB" }, { cpu: "0.0001" }])
    expect(() => workSize(request, assumed)).toThrow("capacity.request_not_valid");
});

test("above is more than, in each measure that is stated, and says of which", () => {
  const size = { gpus: 4, cpuMilli: 16_000, memoryBytes: 64 * gib };
  expect(aboveSize(size, { gpus: 4, cpu: 16, memoryBytes: 64 * gib })).toBeUndefined();
  expect(aboveSize(size, {})).toBeUndefined();
  expect(aboveSize(size, { gpus: 3.5, cpu: 16 })).toBe("4 cards, above 3.5");
  expect(aboveSize(size, { cpu: 15.999, memoryBytes: 64 * gib - 1 })).toBe(
    "16 CPU, above 15.999; 64 GiB of memory, above 64 GiB",
  );
});

test("asking for more never takes the need for approval away, and a larger size never brings it", () => {
  const whole = fc.integer({ min: 0, max: 50 });
  const sizes = fc.record({ gpus: whole, cpuMilli: whole, memoryBytes: whole });
  const bounds = fc.record(
    { gpus: whole, cpu: whole.map((n) => n / 1000), memoryBytes: whole },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(sizes, bounds, sizes, (size, bound, more) => {
      const larger = {
        gpus: size.gpus + more.gpus,
        cpuMilli: size.cpuMilli + more.cpuMilli,
        memoryBytes: size.memoryBytes + more.memoryBytes,
      };
      const isAbove =
        (bound.gpus !== undefined && size.gpus > bound.gpus) ||
        (bound.cpu !== undefined && size.cpuMilli > Math.round(bound.cpu * 1000)) ||
        (bound.memoryBytes !== undefined && size.memoryBytes > bound.memoryBytes);
      expect(aboveSize(size, bound) !== undefined).toBe(isAbove);
      if (isAbove) expect(aboveSize(larger, bound)).toBeDefined();
    }),
  );
});
