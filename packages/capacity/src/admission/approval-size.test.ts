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
  const size = { gpus: 4, gpuSeconds: 4 * 5400, cpuMilli: 16_000, memoryBytes: 64 * gib };
  expect(aboveSize(size, { gpus: 4, cpu: 16, memoryBytes: 64 * gib })).toBeUndefined();
  expect(aboveSize(size, {})).toBeUndefined();
  expect(aboveSize(size, { gpus: 3.5, cpu: 16 })).toBe("4 cards, above 3.5");
  expect(aboveSize(size, { cpu: 15.999, memoryBytes: 64 * gib - 1 })).toBe(
    "16 CPU, above 15.999; 64 GiB of memory, above 64 GiB",
  );
});

const overHours = (request: WorkRequest, gpuHours: number) =>
  aboveSize(workSize(request, assumed), { gpuHours });

test("GPU hours are cards times the time limit; exactly as many are not above", () => {
  const two = { gpus: [{ model: "a100", count: 2 }], timeLimitSeconds: 5400 };
  expect(overHours(two, 3)).toBeUndefined();
  expect(overHours(two, 2.999)).toBe("3 GPU hours, above 2.999");
  // A tenth of an hour is 360 seconds, though not in binary.
  const tenth = { gpus: [{ count: 3 }], timeLimitSeconds: 360 };
  expect([0.3, 0.1 + 0.2, 0.2999].map((hours) => overHours(tenth, hours) !== undefined)).toEqual([
    false,
    false,
    true,
  ]);
  const slices = { gpus: [{ model: "H100-80GB", profile: "1g.10gb", count: 4 }], timeLimitSeconds: 7200 };
  expect(overHours(slices, 1)).toBeUndefined();
  expect(overHours({ ...slices, timeLimitSeconds: 7201 }, 1)).toBe("1.0001 GPU hours, above 1");
});

test("cards without a time limit are above any GPU hours; without cards there are none to approve", () => {
  expect(overHours({ gpus: [{ count: 2 }] }, 100_000_000)).toBe(
    "2 cards without a time limit, above 100000000 GPU hours",
  );
  expect(overHours({}, 0)).toBeUndefined();
  expect(overHours({ cpu: "64", timeLimitSeconds: 31_536_000 }, 0)).toBeUndefined();
  expect(overHours({ gpus: [{ count: 1 }], timeLimitSeconds: 1 }, 0)).toBe("0.0003 GPU hours, above 0");
  // A limit is a size only where hours are bounded.
  expect(aboveSize(workSize({ gpus: [{ count: 2 }] }, assumed), { gpus: 2 })).toBeUndefined();
});

test("asking for more never takes the need for approval away, and a larger size never brings it", () => {
  const whole = fc.integer({ min: 0, max: 50 });
  const sizes = fc.record({ gpus: whole, gpuSeconds: whole, cpuMilli: whole, memoryBytes: whole });
  const bounds = fc.record(
    {
      gpus: whole,
      gpuHours: whole.map((n) => n / 3600),
      cpu: whole.map((n) => n / 1000),
      memoryBytes: whole,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(sizes, bounds, sizes, (size, bound, more) => {
      const larger = {
        gpus: size.gpus + more.gpus,
        gpuSeconds: size.gpuSeconds + more.gpuSeconds,
        cpuMilli: size.cpuMilli + more.cpuMilli,
        memoryBytes: size.memoryBytes + more.memoryBytes,
      };
      const isAbove =
        (bound.gpus !== undefined && size.gpus > bound.gpus) ||
        (bound.gpuHours !== undefined && size.gpuSeconds > Math.round(bound.gpuHours * 3600)) ||
        (bound.cpu !== undefined && size.cpuMilli > Math.round(bound.cpu * 1000)) ||
        (bound.memoryBytes !== undefined && size.memoryBytes > bound.memoryBytes);
      expect(aboveSize(size, bound) !== undefined).toBe(isAbove);
      if (isAbove) expect(aboveSize(larger, bound)).toBeDefined();
    }),
  );
});
