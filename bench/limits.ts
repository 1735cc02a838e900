import { PerformanceObserver } from "node:perf_hooks";
import { callerLimit, RateLimiter } from "@portolan/serving/policy";
import { QuerySampler } from "../apps/gateway/src/limits/extraction/query-sampler.ts";

/**
 * What a limit costs the hot path: nanoseconds and garbage of `take` over three layers (client, tenant, endpoint),
 * admitted and refused. One thread.
 *
 * Usage: node bench/limits.ts [millions of takes]
 */
const takes = Number(process.argv[2] ?? 20) * 1e6;

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ["gc"] });

/** The observer hears of collections a moment later. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function round(title: string, ratePerSecond: number, isShared = false): Promise<void> {
  const limits = {
    ratePerSecond,
    burst: ratePerSecond / 10,
    clientShare: 0.5,
    tenantShare: 0.8,
    timeoutMs: 1,
    bodyBytes: 1,
  };
  const holder = { organisationId: "o", environment: "dev", endpoint: "e", tenantId: "t", principalId: "p" };
  const limiter = new RateLimiter();
  const touched = new Set();
  // A lease so long that no exchange falls into the round: what is measured is the hot path.
  if (isShared) limiter.join(0, 1e9, (bucket) => touched.add(bucket));
  const limit = callerLimit(limiter, limits, holder);
  let admitted = 0;
  // A clock's reading is a number on the heap already, and one per request: here a thousand takes share each.
  const run = (from: number, count: number): void => {
    for (let i = 0; i < count; i += 1000) {
      const nowMs = from + i / 1e4;
      for (let j = 0; j < 1000; j++) if (limit.take(nowMs, 1) === 0) admitted++;
    }
  };
  run(0, 2e6);
  await settled();
  collections = 0;
  admitted = 0;
  const start = performance.now();
  run(1e6, takes);
  const ms = performance.now() - start;
  await settled();
  const ns = ((ms * 1e6) / takes).toFixed(1);
  const share = ((100 * admitted) / takes).toFixed(1);
  process.stdout.write(
    `${title}: ${ns} ns a take, ${share} % admitted, ${collections} collections in ${takes / 1e6} M\n`,
  );
}

/** What the extraction guard costs the thread that answers, for a request of one row of 30 numbers. */
function watching(): void {
  const inputs = [
    { name: "x", datatype: "FP32" as const, shape: [1, 30], data: new Float32Array(30).fill(0.5) },
  ];
  const outputs = [
    { name: "y", datatype: "FP32" as const, shape: [1, 2], data: Float32Array.of(0.25, 0.75) },
  ];
  const sampler = new QuerySampler("ep/sha256:0");
  const perRequest = (count: number, nowMs: (i: number) => number): string => {
    const start = performance.now();
    for (let i = 0; i < count; i++) if (sampler.add("sa_1", inputs, outputs, nowMs(i))) sampler.drain(0);
    return (((performance.now() - start) * 1e6) / count).toFixed(0);
  };
  perRequest(1e5, (i) => 100 * i);
  const seen = perRequest(2e5, (i) => 1e8 + 100 * i);
  const passed = perRequest(2e6, (i) => 1e9 + i / 1e4);
  process.stdout.write(`extraction guard: ${passed} ns a request, ${seen} ns for one that is looked at\n`);
}

await round("admitted", 1e9);
await round("admitted, counted together", 1e9, true);
await round("mostly refused", 1e5);
watching();
process.exit(0);
