import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { StatedUpstream } from "@portolan/registry/contract";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, pin, type Round } from "../gateway/load.ts";

/**
 * What a proxy adds to a server that has its answer ready: Portolan's gateway with everything on (authentication, limits, circuit, token
 * metering, a record of every request) beside Portkey's open gateway, in interleaved rounds, closed loop over keep-alive connections.
 * Needs `wrk`, two processors (the proxy has the first, client and upstream the second), and the peer:
 * npm ci --ignore-scripts --prefix bench/proxy
 *
 * Usage: node bench/proxy/bench.ts [seconds per round] [rounds]
 */
const [seconds = 3, rounds = 3] = process.argv.slice(2).map(Number);
const levels = [1, 32];
/** Ten thousand requests or so: before, engines still compile what they are asked most. */
const warmUpSeconds = 15;
const portkeyEntry = fileURLToPath(
  new URL("./node_modules/@portkey-ai/gateway/build/start-server.js", import.meta.url),
);
const chat = JSON.stringify({
  model: "fixed",
  messages: [{ role: "user", content: "In one sentence: what is a portolan, and who drew it?" }],
});
const tensors = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

interface Target {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  readonly headers: Record<string, string>;
  readonly body: string;
}

const children: ChildProcess[] = [];
const installation = new TestInstallation();

async function startUpstream(): Promise<{ readonly url: string; readonly pid: number }> {
  const entry = fileURLToPath(new URL("./fixed-upstream.ts", import.meta.url));
  const child = spawn(process.execPath, [entry], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const pid = child.pid ?? 0;
  pin(pid, 1);
  return { url: `http://127.0.0.1:${port.toString().trim()}`, pid };
}

async function startPortkey(upstream: string): Promise<Target> {
  if (!existsSync(portkeyEntry)) throw new Error("npm ci --ignore-scripts --prefix bench/proxy first");
  const port = 8787;
  const child = spawn(process.execPath, [portkeyEntry, "--headless", `--port=${port}`], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1" },
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  while (
    !(await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    ))
  )
    await sleep(100);
  const pid = child.pid ?? 0;
  pin(pid, 0);
  const headers = {
    authorization: "Bearer none",
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `${upstream}/v1`,
  };
  return { name: "portkey 1.15.2", url: `${url}/v1/chat/completions`, pids: [pid], headers, body: chat };
}

/** The endpoints `fixed` (text) and `tensors`, both run by the upstream. */
async function startPortolan(upstream: string): Promise<Target[]> {
  const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
  const tensor = { datatype: "FP32" as const, shape: [-1, 2] };
  const signature = { inputs: [{ name: "x", ...tensor }], outputs: [{ name: "y", ...tensor }] };
  const stated = (protocol: StatedUpstream["protocol"]): StatedUpstream => ({
    protocol,
    url: upstream,
    model: "fixed",
    region: "local",
    owner: "self",
  });
  const text = { signature: { inputs: [], outputs: [] }, binaryTensors: false };
  installation.addUpstream("fixed", installation.upstream("fixed", 1, stated("openai"), text), {
    limits: { ...limits, tokens: { perSecond: 1e9, burst: 1e9 } },
  });
  const other = installation.upstream("tensors", 1, stated("open-inference"), {
    signature,
    binaryTensors: true,
  });
  installation.addUpstream("tensors", other, { limits });
  await installation.publish(1);
  const gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  const pids = [gateway.child.pid ?? 0];
  for (const pid of pids) pin(pid, 0);
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  return [
    { name: "portolan text", url: `${gateway.url}/v1/chat/completions`, pids, headers, body: chat },
    { name: "portolan tensors", url: `${gateway.url}/v2/models/tensors/infer`, pids, headers, body: tensors },
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function compare(targets: readonly Target[], connections: number): Promise<void> {
  const results = new Map<Target, Round[]>(targets.map((target) => [target, []]));
  for (let round = 0; round < rounds; round++)
    for (const [target, list] of results) list.push(await drive({ ...target, connections, seconds }));
  const perSecond = (name: string): number => {
    const [, list] = [...results].find(([target]) => target.name === name) ?? [];
    return median((list ?? []).map((round) => round.perSecond));
  };
  const bare = median((results.get(targets[0] as Target) ?? []).map((round) => round.p50));
  for (const [{ name }, list] of results) {
    const p50 = median(list.map((round) => round.p50));
    const cells = [
      name.padEnd(17),
      String(connections).padStart(11),
      perSecond(name).toFixed(0).padStart(10),
      p50.toFixed(3).padStart(7),
      median(list.map((round) => round.p99))
        .toFixed(2)
        .padStart(7),
      (p50 - bare).toFixed(3).padStart(9),
      median(list.map((round) => round.cpuMicros))
        .toFixed(0)
        .padStart(9),
      String(list.reduce((sum, round) => sum + round.failed, 0)).padStart(7),
      (perSecond(name) / perSecond("portkey 1.15.2")).toFixed(1).padStart(11),
    ];
    console.log(cells.join(" "));
  }
}

try {
  const upstream = await startUpstream();
  const bare = {
    name: "upstream alone",
    url: `${upstream.url}/v1/chat/completions`,
    pids: [upstream.pid],
    headers: {},
    body: chat,
  };
  const targets = [bare, await startPortkey(upstream.url), ...(await startPortolan(upstream.url))];
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}; ${rounds} rounds of ${seconds} s, medians`,
  );
  console.log(
    "proxy             connections requests/s  p50 ms  p99 ms added p50 CPU µs/rq  failed  × portkey",
  );
  for (const target of targets) await drive({ ...target, connections: 32, seconds: warmUpSeconds });
  for (const connections of levels) await compare(targets, connections);
} finally {
  for (const child of children) child.kill();
  installation.dispose();
}
