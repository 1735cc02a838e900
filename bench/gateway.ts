import { Agent, request } from "node:http";
import { cpus, loadavg } from "node:os";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../apps/gateway/test/installation.ts";

/**
 * Latency and throughput of one gateway process with everything on (authentication, limits, validation, log), closed
 * loop over keep-alive connections. The client shares the machine: figures are for comparison on one machine only.
 *
 * Usage: node bench/gateway.ts [seconds per round]
 */
const seconds = Number(process.argv[2] ?? 5);
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;

interface Round {
  readonly micros: number[];
  failed: number;
}

function once(agent: Agent, url: string, key: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        agent,
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "content-length": body.length,
        },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

async function run(url: string, key: string, connections: number, forMs: number): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const round: Round = { micros: [], failed: 0 };
  const end = performance.now() + forMs;
  const loop = async (): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now();
      if ((await once(agent, url, key)) === 200) round.micros.push((performance.now() - start) * 1000);
      else round.failed++;
    }
  };
  await Promise.all(Array.from({ length: connections }, loop));
  agent.destroy();
  return round;
}

function quantile(sorted: readonly number[], q: number): string {
  return ((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0) / 1000).toFixed(3);
}

const installation = new TestInstallation();
try {
  const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
  for (const durability of ["buffered", "durable"] as const)
    installation.add(durability, mlpModel([30, 64, 32, 2]), { limits, durability });
  await installation.publish(1);
  const coldStart = performance.now();
  const gateway = await installation.start();
  const startMs = performance.now() - coldStart;
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load}`);
  console.log(
    `model: MLP 30→64→32→2, one row of ${body.length} bytes; start to serving ${startMs.toFixed(0)} ms`,
  );
  console.log("log       connections  requests/s  p50 ms  p95 ms  p99 ms  failed");
  for (const durability of ["buffered", "durable"] as const) {
    const url = `${gateway.url}/v2/models/${durability}/infer`;
    await run(url, installation.apiKey, 8, 1000);
    for (const connections of [1, 32]) {
      const round = await run(url, installation.apiKey, connections, seconds * 1000);
      const sorted = round.micros.sort((a, b) => a - b);
      const rate = (sorted.length / seconds).toFixed(0);
      const figures = [0.5, 0.95, 0.99].map((q) => quantile(sorted, q).padStart(7)).join(" ");
      console.log(
        `${durability.padEnd(9)} ${String(connections).padStart(11)} ${rate.padStart(11)} ${figures} ${String(round.failed).padStart(7)}`,
      );
    }
  }
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
