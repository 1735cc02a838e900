import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mlpModel, treesModel } from "@portolan/onnx-format/testing";
import { gatewayProcess } from "@portolan/serving/contract";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin, type Round } from "./load.ts";

/**
 * One gateway process with everything on (authentication, limits, validation, metrics, log) beside the bare prototype
 * (node:http, ONNX Runtime, batch-while-busy), in interleaved rounds, closed loop over keep-alive connections.
 * Needs `wrk` and two processors: the server has the first, the client the second. Both keep their memory alike (`gatewayProcess`).
 *
 * Usage: node bench/gateway/bench.ts [seconds per round] [rounds]
 */
const [seconds = 3, rounds = 3] = process.argv.slice(2).map(Number);
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const models = {
  small: mlpModel([30, 64, 32, 2]),
  trees: treesModel(200, 30, 6),
  big: mlpModel([30, 2048, 2048, 2048, 2]),
};
/** Tens of thousands of requests: before, engines still compile what they are asked most. */
const warmUpSeconds = 8;
const only = process.env["BENCH_MODELS"]?.split(",");
const levels = (process.env["BENCH_CONNECTIONS"] ?? "1,32,64,128").split(",").map(Number);

interface Server {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  readonly headers: Record<string, string>;
}

const installation = new TestInstallation();
const folder = mkdtempSync(join(tmpdir(), "bench-gateway-"));
const children: { kill(): void }[] = [];

function fileOf(name: string, bytes: Uint8Array): string {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, bytes);
  return file;
}

/** ONNX Runtime alone, on the server's processor. */
async function limitOf(name: string, bytes: Uint8Array): Promise<string> {
  const entry = fileURLToPath(new URL("./bare-loop.ts", import.meta.url));
  const loop = [process.execPath, entry, fileOf(name, bytes), "x", "30", String(seconds)];
  const child = spawn("taskset", ["-c", "0", ...loop], { stdio: ["ignore", "pipe", "inherit"] });
  const [told] = (await once(child.stdout, "data")) as [Buffer];
  return told.toString().trim();
}

async function bare(name: string, bytes: Uint8Array): Promise<Server> {
  const file = fileOf(name, bytes);
  const entry = fileURLToPath(new URL("./bare-server.ts", import.meta.url));
  const child = spawn(process.execPath, [...gatewayProcess.nodeFlags, entry, file, "x", "30"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const pid = child.pid ?? 0;
  pin(pid);
  return { name: "bare", url: `http://127.0.0.1:${port.toString().trim()}/`, pids: [pid], headers: {} };
}

function show(
  name: string,
  model: string,
  connections: number,
  results: readonly Round[],
  base?: number,
): number {
  const of = (pick: (round: Round) => number): number => median(results.map(pick));
  const perSecond = of((round) => round.perSecond);
  const rates = results.map((round) => round.perSecond);
  const cells = [
    model.padEnd(6),
    name.padEnd(9),
    String(connections).padStart(11),
    perSecond.toFixed(0).padStart(10),
    ...[of((round) => round.p50), of((round) => round.p99)].map((ms) => ms.toFixed(2).padStart(7)),
    of((round) => round.cpuMicros)
      .toFixed(1)
      .padStart(9),
    String(results.reduce((sum, round) => sum + round.failed, 0)).padStart(7),
    (base === undefined ? "" : `${((100 * perSecond) / base).toFixed(0)} %`).padStart(8),
    // The spread of the rounds.
    ` ${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}/s`,
  ];
  console.log(cells.join(" "));
  return perSecond;
}

try {
  const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
  for (const [name, bytes] of Object.entries(models))
    for (const durability of ["buffered", "durable"] as const)
      installation.add(`${name}-${durability}`, bytes, { limits, durability });
  await installation.publish(1);
  const gateway = await installation.start();
  pin(gateway.child.pid ?? 0);
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  const governed = (name: string, durability: string): Server => {
    const url = `${gateway.url}/v2/models/${name}-${durability}/infer`;
    return { name: durability, url, pids: [gateway.child.pid ?? 0], headers };
  };
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}`,
  );
  console.log(`one row of 30 columns, ${body.length} bytes; ${rounds} rounds of ${seconds} s, medians`);
  console.log("model  server    connections requests/s  p50 ms  p99 ms CPU µs/rq  failed   of bare");
  for (const name of Object.keys(models).filter((one) => only?.includes(one) ?? true)) {
    console.log(`${name.padEnd(6)} limit     ${await limitOf(name, models[name as keyof typeof models])}`);
    const servers = [
      await bare(name, models[name as keyof typeof models]),
      governed(name, "buffered"),
      governed(name, "durable"),
    ];
    const shot = (server: Server, connections: number, forSeconds: number): Promise<Round> =>
      drive({ ...server, body, connections, seconds: forSeconds });
    for (const server of servers) await shot(server, 32, warmUpSeconds);
    for (const connections of levels) {
      const results = new Map<Server, Round[]>(servers.map((server) => [server, []]));
      for (let round = 0; round < rounds; round++)
        for (const [server, list] of results) list.push(await shot(server, connections, seconds));
      let base: number | undefined;
      for (const [server, list] of results) {
        const perSecond = show(server.name, name, connections, list, base);
        base ??= perSecond;
      }
    }
  }
  await gateway.end("SIGTERM");
} finally {
  for (const child of children) child.kill();
  installation.dispose();
}
