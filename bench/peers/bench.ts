import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mlpModel } from "@portolan/onnx-format/testing";
import { gatewayProcess } from "@portolan/serving/contract";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin, type Round } from "../gateway/load.ts";
import { endPeer, peers, startPeer, treeOf } from "./servers.ts";

/**
 * One gateway with everything on beside model servers from PyPI with nothing on: no authentication, no limits, no log. Each peer has
 * the same ONNX file, one ONNX Runtime thread, its best settings, and all its processes on the first processor, as the gateway has;
 * the client has the second. Rounds alternate between the gateway and the peer; ratios are of the same pair of rounds. Needs `wrk`,
 * Python 3 and, for the first run, a package index.
 *
 * Usage: node bench/peers/bench.ts [seconds per round] [rounds] [peer,…]
 */
const [seconds = 3, rounds = 3] = process.argv.slice(2, 4).map(Number);
const only = process.argv[4]?.split(",");
const levels = (process.env["BENCH_CONNECTIONS"] ?? "1,32,64,128").split(",").map(Number);
const onlyModels = process.env["BENCH_MODELS"]?.split(",");
const models = { small: mlpModel([30, 64, 32, 2]), big: mlpModel([30, 2048, 2048, 2048, 2]) };
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;

interface Target {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  readonly headers: Record<string, string>;
  readonly body: string;
}

const folder = mkdtempSync(join(tmpdir(), "bench-peers-"));
const installation = new TestInstallation();
let port = 18_100;

async function bare(file: string): Promise<{ target: Target; end: () => void }> {
  const entry = fileURLToPath(new URL("../gateway/bare-server.ts", import.meta.url));
  const child = spawn(process.execPath, [...gatewayProcess.nodeFlags, entry, file, "x", "30"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed] = (await once(child.stdout, "data")) as [Buffer];
  const pid = child.pid ?? 0;
  pin(pid);
  const url = `http://127.0.0.1:${printed.toString().trim()}/`;
  return { target: { name: "bare node", url, pids: [pid], headers: {}, body }, end: () => void child.kill() };
}

async function compare(model: string, ours: Target, other: Target): Promise<void> {
  const shot = (target: Target, connections: number, forSeconds: number): Promise<Round> =>
    drive({ ...target, connections, seconds: forSeconds });
  for (const target of [ours, other]) await shot(target, 16, 5);
  for (const connections of levels) {
    const pairs: (readonly [Round, Round])[] = [];
    for (let n = 0; n < rounds; n++)
      pairs.push([await shot(ours, connections, seconds), await shot(other, connections, seconds)]);
    const of = (at: 0 | 1, pick: (round: Round) => number): number =>
      median(pairs.map((pair) => pick(pair[at])));
    const ratio = median(pairs.map(([own, theirs]) => own.perSecond / Math.max(1, theirs.perSecond)));
    const cells = [
      model.padEnd(6),
      other.name.padEnd(15),
      String(connections).padStart(5),
      of(0, (one) => one.perSecond)
        .toFixed(0)
        .padStart(9),
      of(1, (one) => one.perSecond)
        .toFixed(0)
        .padStart(9),
      `${ratio.toFixed(2)} ×`.padStart(9),
      `${of(0, (one) => one.p50).toFixed(2)}/${of(0, (one) => one.p99).toFixed(1)}`.padStart(13),
      `${of(1, (one) => one.p50).toFixed(2)}/${of(1, (one) => one.p99).toFixed(1)}`.padStart(13),
      `${of(0, (one) => one.cpuMicros).toFixed(0)}/${of(1, (one) => one.cpuMicros).toFixed(0)}`.padStart(11),
      `${pairs.reduce((sum, [own]) => sum + own.failed, 0)}/${pairs.reduce((sum, [, theirs]) => sum + theirs.failed, 0)}`.padStart(
        8,
      ),
    ];
    console.log(cells.join(" "));
  }
}

try {
  const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 10_000, bodyBytes: 100_000 };
  for (const [name, bytes] of Object.entries(models)) installation.add(name, bytes, { limits });
  await installation.publish(1);
  const gateway = await installation.start();
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}`,
  );
  console.log(`${rounds} pairs of rounds of ${seconds} s, medians; gateway / peer`);
  console.log(
    "model  peer            conns     ours      peer     ratio    ours p50/99    peer p50/99  CPU µs/rq   failed",
  );
  for (const [model, bytes] of Object.entries(models).filter(([one]) => onlyModels?.includes(one) ?? true)) {
    const file = join(folder, `${model}.onnx`);
    writeFileSync(file, bytes);
    const headers = { authorization: `Bearer ${installation.apiKey}` };
    const ours = {
      name: "portolan",
      url: `${gateway.url}/v2/models/${model}/infer`,
      pids: [pid],
      headers,
      body,
    };
    if (only?.includes("bare") ?? true) {
      const { target, end } = await bare(file);
      await compare(model, ours, target);
      end();
    }
    for (const order of peers.filter(({ name }) => only?.includes(name) ?? true)) {
      try {
        const peer = await startPeer(order, file, port, join(folder, `${order.name}-${model}`));
        const pids = treeOf(peer.child.pid ?? 0);
        for (const one of pids) pin(one);
        await compare(model, ours, { name: order.name, url: peer.url, pids, headers: {}, body: peer.body });
        endPeer(peer.child);
      } catch (error) {
        console.log(`${model.padEnd(6)} ${order.name}: ${String(error).slice(0, 600)}`);
      }
      port += 10;
    }
  }
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
  rmSync(folder, { recursive: true, force: true });
}
