import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, pin, type Round } from "./load.ts";

/**
 * Deployments under load: one endpoint gets one new model version after the other, each fetched, verified, warmed up and swapped in, the one
 * before drained and let go, while clients ask in a closed loop. Counts failed requests and what the process's memory grows by.
 *
 * Usage: node bench/gateway/swaps.ts [swaps] [connections]
 */
const [swaps = 1000, connections = 16] = process.argv.slice(2).map(Number);
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
/** Memory settles before it is compared: traffic and the first swaps fill pools, caches and compiled code. */
const settleSeconds = 30;
const settled = Math.min(100, Math.floor(swaps / 10));

const installation = new TestInstallation();
let offered: { readonly version: number; readonly signed: unknown } | undefined;
const waiting = new Set<() => void>();
const control = createServer((request, response) => {
  const after = Number(new URL(request.url ?? "/", "http://control").searchParams.get("after") ?? 0);
  const answer = (): void => {
    if (offered && offered.version > after) response.end(JSON.stringify(offered.signed));
    else response.writeHead(304).end();
  };
  if (!request.url?.startsWith("/v1/snapshots/latest")) response.writeHead(404).end();
  else if (offered && offered.version > after) answer();
  else waiting.add(answer);
});
await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));

async function offer(version: number): Promise<void> {
  offered = { version, signed: await installation.publish(version) };
  for (const answer of waiting) answer();
  waiting.clear();
}

function residentMiB(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return Number(line?.[1] ?? 0) / 1024;
}

try {
  installation.add("score", mlpModel([30, 64, 32, 2]), { limits });
  await installation.publish(1);
  const address = control.address() as AddressInfo;
  const gateway = await installation.start({
    CONTROL_URL: `http://127.0.0.1:${address.port}`,
  });
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  const served = async (): Promise<number> => {
    const response = await gateway.post("/v2/models/score/infer", body);
    return Number(((await response.json()) as { model_version?: string }).model_version);
  };
  console.log(
    `node ${process.version}, load ${loadavg()[0]?.toFixed(1)}; ${swaps} swaps, ${connections} connections`,
  );
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  const url = `${gateway.url}/v2/models/score/infer`;
  // JavaScript's own heap grows with the traffic, swaps or none.
  await drive({ url, pids: [pid], headers, body, connections: 64, seconds: settleSeconds });
  let isOver = false;
  const rounds: Round[] = [];
  const load = (async () => {
    while (!isOver) rounds.push(await drive({ url, pids: [pid], headers, body, connections, seconds: 5 }));
  })();
  let before = 0;
  const start = performance.now();
  for (let version = 2; version <= swaps + 1; version++) {
    installation.deploy("score", mlpModel([30, 64, 32 + (version % 8), 2]), version);
    await offer(version);
    while ((await served()) !== version) await sleep(5);
    if (version === settled + 1) before = residentMiB(pid);
    if (version % 100 === 0) console.log(`${version} swaps, ${residentMiB(pid).toFixed(0)} MiB`);
  }
  const seconds = (performance.now() - start) / 1000;
  isOver = true;
  await load;
  const after = residentMiB(pid);
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  const asked = rounds.reduce((sum, round) => sum + round.perSecond * 5, 0);
  console.log(
    `${failed} of ${asked.toFixed(0)} requests failed; ${((1000 * seconds) / swaps).toFixed(0)} ms a swap; ` +
      `${before.toFixed(0)} MiB after ${settled} swaps, ${after.toFixed(0)} MiB at the end (${((100 * after) / before - 100).toFixed(1)} %)`,
  );
  await gateway.end("SIGTERM");
} finally {
  control.closeAllConnections();
  control.close();
  installation.dispose();
}
