import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import type { Assumptions, Measurements } from "./assumptions.ts";
import type { Placement } from "./price-book.ts";

export type Tier = "cpu" | "gpu" | "edge";

export interface TierChoice {
  readonly tier: Tier;
  readonly reasons: readonly string[];
}

/** Defaults of the articles; each has its row in the table test. Sizes in bytes, times in milliseconds. */
export const tierThresholds = {
  gpuAboveModelBytes: 1e9,
  cpuBelowModelBytes: 1e8,
  gpuBelowLatencyMs: 100,
  gpuFromRequestsPerSecond: 1000,
  gpuAboveCpuLatencyMs: 50,
  occasionalRequestsPerSecond: 1,
} as const;

/** Which hardware scores batches: cards for a model that a core would take too long for. */
export function batchTier(assumptions: Assumptions): TierChoice {
  return assumptions.modelBytes.value.expected > tierThresholds.gpuAboveModelBytes
    ? { tier: "gpu", reasons: ["the model is larger than 1 GB"] }
    : { tier: "cpu", reasons: ["nobody waits for the answer"] };
}

/**
 * Which hardware answers. A measurement decides first, then the size of the model, then load and latency: the articles
 * ask for a GPU below 100 ms and for a CPU below 100 MB, and a small model is fast on a CPU.
 */
export function chooseTier(
  document: CharterDocument,
  assumptions: Assumptions,
  measured: Measurements,
  inference: Placement | undefined,
): TierChoice {
  if (inference === "edge")
    return { tier: "edge", reasons: ["the prediction is made beside the machine that needs it"] };
  const { latencyMsP95, latencyClass, rateLimit } = termsOf(document);
  const t = tierThresholds;
  const modelBytes = assumptions.modelBytes.value.expected;
  const cpuMs = measured.cpuLatencyMsP95;
  if (cpuMs !== undefined) {
    return cpuMs > Math.min(t.gpuAboveCpuLatencyMs, latencyMsP95)
      ? {
          tier: "gpu",
          reasons: [
            `measured ${cpuMs} ms on CPU, more than ${Math.min(t.gpuAboveCpuLatencyMs, latencyMsP95)} ms`,
          ],
        }
      : { tier: "cpu", reasons: [`measured ${cpuMs} ms on CPU: fast enough`] };
  }
  if (modelBytes > t.gpuAboveModelBytes) return { tier: "gpu", reasons: ["the model is larger than 1 GB"] };
  if (modelBytes < t.cpuBelowModelBytes)
    return { tier: "cpu", reasons: ["the model is smaller than 100 MB"] };
  if (latencyClass === "batch") return { tier: "cpu", reasons: ["nobody waits for the answer"] };
  if (assumptions.averageRequestsPerSecond.value.expected < t.occasionalRequestsPerSecond) {
    return { tier: "cpu", reasons: ["requests are occasional"] };
  }
  const reasons = [
    ...(latencyMsP95 < t.gpuBelowLatencyMs ? ["p95 is below 100 ms"] : []),
    ...(rateLimit.requestsPerSecond >= t.gpuFromRequestsPerSecond ? ["thousands of requests a second"] : []),
  ];
  return reasons.length > 0
    ? { tier: "gpu", reasons }
    : { tier: "cpu", reasons: ["neither size nor latency nor load asks for a GPU"] };
}
