import fc from "fast-check";
import { expect, test } from "vitest";
import type { Backends } from "./backend-schema.ts";
import { chooseBackends, type OfferedBackend, unplannedHardware } from "./choose-backend.ts";

const digest = `sha256:${"0".repeat(64)}`;
function offer(hardware: "cpu" | "gpu" | "edge", ms: number | undefined, cost?: string): OfferedBackend {
  return {
    hardware,
    model: {
      name: hardware,
      version: 1,
      digest,
      sizeBytes: 1,
      bundle: { digest, signedAt: 1 },
      signature: { inputs: [], outputs: [] },
      origin: "imported",
    },
    evidence: "stated",
    ...(ms === undefined ? {} : { latencyMicrosP95: ms * 1000 }),
    ...(cost === undefined ? {} : { costPerThousand: cost }),
  };
}
const said = ({ order, why }: Pick<Backends, "order" | "why">) =>
  `${order.map(({ hardware }) => hardware).join(" ")}: ${why}`;

test.each([
  ["the cheapest that keeps the latency goes first", 30, "0.01 EUR", 8, "0.05 EUR", 50, "cpu gpu: cheapest"],
  [
    "a dearer one does where the cheap one is too slow",
    80,
    "0.01 EUR",
    8,
    "0.05 EUR",
    50,
    "gpu cpu: cheapest",
  ],
  ["the bound itself is kept", 50, "0.01 EUR", 8, "0.05 EUR", 50, "cpu gpu: cheapest"],
  [
    "where none keeps it the fastest goes first, whatever it costs",
    80,
    "0.01 EUR",
    60,
    "9 EUR",
    50,
    "gpu cpu: fastest",
  ],
  [
    "without a charter every latency is in time",
    800,
    "0.01 EUR",
    8,
    "0.05 EUR",
    undefined,
    "cpu gpu: cheapest",
  ],
  ["equal costs go to the faster one", 30, "0.05 EUR", 8, "0.050 EUR", 50, "gpu cpu: cheapest"],
  ["what is not measured is asked first", undefined, undefined, 8, "0.05 EUR", 50, "cpu gpu: unmeasured"],
  ["a latency alone is no measurement", 30, undefined, 8, "0.05 EUR", 50, "cpu gpu: unmeasured"],
] as const)("%s", (_, cpuMs, cpuCost, gpuMs, gpuCost, bound, result) => {
  expect(said(chooseBackends(offer("cpu", cpuMs, cpuCost), [offer("gpu", gpuMs, gpuCost)], bound))).toBe(
    result,
  );
});

test("a place that states no cost counts as the dearest", () => {
  const others = [offer("gpu", 8), offer("edge", 20, "0.9 EUR")];
  expect(said(chooseBackends(offer("cpu", 30, "0.01 EUR"), others, 50))).toBe("cpu edge gpu: cheapest");
});

test("nothing is lost, and the first is never beaten", () => {
  const one = fc.record({
    ms: fc.integer({ min: 1, max: 200 }),
    cents: fc.integer({ min: 0, max: 500 }),
    hardware: fc.constantFrom("cpu" as const, "gpu" as const, "edge" as const),
  });
  const made = ({ ms, cents, hardware }: { ms: number; cents: number; hardware: "cpu" | "gpu" | "edge" }) =>
    offer(hardware, ms, `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")} EUR`);
  const cents = (text: string | undefined) => Math.round(Number.parseFloat(text ?? "") * 100);
  fc.assert(
    fc.property(one, fc.array(one, { minLength: 1, maxLength: 4 }), (own, others) => {
      const { order, why } = chooseBackends(made(own), others.map(made), 100);
      expect(order).toHaveLength(others.length + 1);
      const [first] = order;
      const keeping = order.filter(({ keepsLatency }) => keepsLatency);
      expect(why).toBe(keeping.length > 0 ? "cheapest" : "fastest");
      const least = Math.min(...keeping.map(({ costPerThousand }) => cents(costPerThousand)));
      if (keeping.length > 0) expect(cents(first?.costPerThousand)).toBe(least);
      else expect(first?.latencyMicrosP95).toBe(Math.min(...order.map((each) => each.latencyMicrosP95 ?? 0)));
    }),
  );
});

test("other hardware than planned is said, with the reason", () => {
  const choice = chooseBackends(offer("cpu", 80, "0.01 EUR"), [offer("gpu", 8, "0.05 EUR")], 50);
  expect(unplannedHardware({ ...choice, planned: "cpu" })).toBe(
    "requests go to gpu/1 on a GPU (the cheapest that keeps the latency), and the plan takes a CPU",
  );
  expect(unplannedHardware({ ...choice, planned: "gpu" })).toBeUndefined();
  expect(unplannedHardware({ ...choice, planned: null })).toBeUndefined();
});
