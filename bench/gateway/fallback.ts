import { cpus, loadavg } from "node:os";
import { TensorServer } from "@portolan/upstream/testing";
import { Pool } from "undici";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { pin } from "./load.ts";

/**
 * An upstream that fails every request: after how many of them nobody waits for it any more, and how long the fallback's answer takes then, in the gateway
 * (`total` of its Server-Timing, record included) and on the whole way.
 *
 * Usage: node bench/gateway/fallback.ts [requests]
 */
const [requests = 5000] = process.argv.slice(2).map(Number);
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 2000, bodyBytes: 100_000 };
const body = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[3]}]}';
const installation = new TestInstallation();
const table = { datatype: "FP32", shape: [-1] };
const server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

try {
  const tensor = (name: string) => ({ name, datatype: "FP32" as const, shape: [-1] });
  const signature = { inputs: [tensor("x")], outputs: [tensor("y")] };
  const stated = {
    protocol: "open-inference" as const,
    url: server.url,
    model: "echo",
    region: "local",
    owner: "self",
  };
  const found = { signature, binaryTensors: false };
  installation.addUpstream("failing", installation.upstream("failing", 1, stated, found), {
    limits,
    fallbacks: [{ kind: "rule", expression: "x * 2.0" }],
  });
  await installation.publish(1);
  const gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  pin(gateway.child.pid ?? 0);
  server.mode = "fail";
  const pool = new Pool(gateway.url, { connections: 1 });
  const inside: number[] = [];
  const outside: number[] = [];
  let failures = 0;
  for (let n = 0; n < requests; n++) {
    const startMs = performance.now();
    const { headers, body: answer } = await pool.request({
      method: "POST",
      path: "/v2/models/failing/infer",
      headers: { authorization: `Bearer ${installation.apiKey}` },
      body,
    });
    await answer.arrayBuffer();
    if (headers["x-portolan-fallback"] !== "breaker_open") {
      failures++;
      continue;
    }
    outside.push(performance.now() - startMs);
    inside.push(Number(/total;dur=([\d.]+)/.exec(String(headers["server-timing"]))?.[1]));
  }
  for (const list of [inside, outside]) list.sort((a, b) => a - b);
  const told = (list: readonly number[]): string =>
    [0.5, 0.95, 0.99].map((share) => quantile(list, share).toFixed(2)).join(" / ");
  console.log(`node ${process.version}, ${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(
    `${failures} of ${requests} requests met the upstream (five, and the trials after each pause); ` +
      `fallback p50 / p95 / p99: ${told(inside)} ms in the gateway, ${told(outside)} ms on the whole way`,
  );
  await pool.close();
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
  await server.close();
}
