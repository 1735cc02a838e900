import { loadavg } from "node:os";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin, type Round } from "./load.ts";

/**
 * What turning a request away costs beside answering it, in interleaved rounds: one endpoint takes all requests, the other bears one at a
 * time, and so sheds what comes meanwhile. Requests per second and CPU per request, all threads. Needs `wrk` and two processors.
 *
 * Usage: node bench/gateway/refusals.ts [seconds per round] [rounds]
 */
const [seconds = 3, rounds = 5] = process.argv.slice(2).map(Number);
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
const patient = { maxInFlight: 1000, slowMs: 5000, targetWaitMs: 5000 };

const installation = new TestInstallation();
try {
  const bytes = mlpModel([30, 64, 32, 2]);
  installation.add("answered", bytes, { limits, resilience: patient });
  installation.add("refused", bytes, { limits, resilience: { ...patient, maxInFlight: 1 } });
  await installation.publish(1);
  const gateway = await installation.start();
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  const shot = (endpoint: string): Promise<Round> =>
    drive({
      url: `${gateway.url}/v2/models/${endpoint}/infer`,
      pids: [pid],
      headers,
      body,
      connections: 64,
      seconds,
    });
  const results = new Map<string, Round[]>([
    ["answered", []],
    ["refused", []],
  ]);
  for (const endpoint of results.keys()) await shot(endpoint);
  for (let round = 0; round < rounds; round++)
    for (const [endpoint, list] of results) list.push(await shot(endpoint));
  console.log(`node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`);
  console.log("          requests/s   p50 ms   p99 ms  CPU µs");
  for (const [endpoint, list] of results) {
    const of = (pick: (round: Round) => number): string => median(list.map(pick)).toFixed(1);
    const cells = [of((r) => r.perSecond), of((r) => r.p50), of((r) => r.p99), of((r) => r.cpuMicros)];
    console.log(endpoint.padEnd(9), cells.map((cell) => cell.padStart(9)).join(""));
  }
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
