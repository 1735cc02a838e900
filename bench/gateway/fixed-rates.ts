import { cpus, loadavg } from "node:os";
import { quantile } from "@portolan/numerics";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { median, pin } from "./load.ts";
import { OpenLoop } from "./open-loop.ts";

/**
 * Latency at fixed rates: requests come whether the ones before are answered or not, so that a slow answer does not slow the
 * asking. The small model, everything on, records buffered; rates by turns, several rounds.
 *
 * Usage: node bench/gateway/fixed-rates.ts [seconds] [rounds] [rate...]
 */
const [seconds = 5, rounds = 3, ...rates] = process.argv.slice(2).map(Number);
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
const installation = new TestInstallation();

interface Seen {
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  readonly unsent: number;
}

async function shot(url: string, perSecond: number, forSeconds: number): Promise<Seen> {
  const took: number[] = [];
  let failed = 0;
  const headers = { authorization: `Bearer ${installation.apiKey}`, "content-type": "application/json" };
  const clients = new OpenLoop(new URL(url), headers, body, {
    mostOpen: 512,
    ended(status, ms) {
      if (status === 200) took.push(ms);
      else failed++;
    },
  });
  await clients.run(perSecond, forSeconds);
  await new Promise((resolve) => setTimeout(resolve, 500));
  clients.close();
  took.sort((a, b) => a - b);
  return { p50: quantile(took, 0.5), p99: quantile(took, 0.99), failed, unsent: clients.unsent };
}

try {
  installation.add("small", mlpModel([30, 64, 32, 2]), { limits });
  await installation.publish(1);
  const gateway = await installation.start();
  pin(gateway.child.pid ?? 0);
  pin(process.pid, 1);
  const url = `${gateway.url}/v2/models/small/infer`;
  await shot(url, 2000, 8);
  console.log(`node ${process.version}, ${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
  console.log("requests/s   p50 ms (spread)        p99 ms (spread)        failed  unsent");
  const results = new Map<number, Seen[]>();
  for (let round = 0; round < rounds; round++)
    for (const rate of rates.length > 0 ? rates : [500, 1000, 2000, 4000])
      results.set(rate, [...(results.get(rate) ?? []), await shot(url, rate, seconds)]);
  for (const [rate, seen] of results) {
    const told = (pick: (one: Seen) => number): string => {
      const values = seen.map(pick);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      return `${median(values).toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`.padEnd(22);
    };
    const sum = (pick: (one: Seen) => number): number => seen.reduce((all, one) => all + pick(one), 0);
    console.log(
      `${String(rate).padStart(10)}   ${told((one) => one.p50)} ${told((one) => one.p99)} ${sum((one) => one.failed)}  ${sum((one) => one.unsent)}`,
    );
  }
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
