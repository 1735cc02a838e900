import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalBytes, digestBytes, type JsonValue } from "@portolan/kernel";
import type { NumericColumn, ReferenceProfile } from "@portolan/monitoring/contract";
import { numericReference } from "@portolan/monitoring/policy";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { mlpModel, treesModel } from "@portolan/onnx-format/testing";
import { gatewayProcess } from "@portolan/serving/contract";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin, type Round } from "./load.ts";

/**
 * One gateway process with everything on (authentication, limits, validation, metrics, drift counts, log) beside the bare prototype
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

/** A reference profile of every column that the model takes and gives, stored where the gateway finds it. */
function profileOf(name: string, bytes: Uint8Array) {
  const { inputs, outputs } = signatureOf(readOnnxModel(bytes));
  const columns = (tensors: typeof inputs): NumericColumn[] =>
    tensors.flatMap(({ name: tensor, shape }) =>
      Array.from({ length: Math.max(1, shape.at(-1) ?? 1) }, (_, column) =>
        numericReference(
          { tensor, column, name: `${tensor}.${column}` },
          Array.from({ length: 1000 }, (__, at) => Math.fround(Math.sin(at * 1.7 + column))),
        ),
      ),
    );
  const profile: ReferenceProfile = {
    format: 1,
    model: { name, version: 1, digest: digestBytes(bytes) },
    data: { trainingSetId: "ts_1", digest: digestBytes(bytes), rows: 1000, sampledEvery: 1 },
    rows: 1000,
    inputs: columns(inputs),
    outputs: columns(outputs.filter(({ datatype }) => datatype === "FP32")),
    skipped: [],
  };
  const stored = canonicalBytes(profile as unknown as JsonValue);
  const digest = digestBytes(stored);
  writeFileSync(installation.objectPath(digest), stored);
  return { model: name, version: 1, digest, sizeBytes: stored.length };
}

function fileOf(name: string, bytes: Uint8Array): string {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, bytes);
  return file;
}

/** Rows a second of ONNX Runtime alone, on the server's processor, at each size of its runs; the best of them is what there is to reach. */
async function limitOf(
  name: string,
  bytes: Uint8Array,
): Promise<{ readonly told: string; readonly best: number }> {
  const entry = fileURLToPath(new URL("./bare-loop.ts", import.meta.url));
  const loop = [process.execPath, entry, fileOf(name, bytes), "x", "30", String(seconds)];
  const child = spawn("taskset", ["-c", "0", ...loop], { stdio: ["ignore", "pipe", "inherit"] });
  const [told] = (await once(child.stdout, "data")) as [Buffer];
  const text = told.toString().trim();
  const rates = [...text.matchAll(/(\d+) rows\/s/g)].map(([, rate]) => Number(rate));
  return { told: text, best: Math.max(...rates) };
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
  of: { readonly bare: number | undefined; readonly limit: number },
): number {
  const middle = (pick: (round: Round) => number): number => median(results.map(pick));
  const perSecond = middle((round) => round.perSecond);
  const rates = results.map((round) => round.perSecond);
  const cells = [
    model.padEnd(6),
    name.padEnd(9),
    String(connections).padStart(11),
    perSecond.toFixed(0).padStart(10),
    ...[middle((round) => round.p50), middle((round) => round.p99)].map((ms) => ms.toFixed(2).padStart(7)),
    middle((round) => round.cpuMicros)
      .toFixed(1)
      .padStart(9),
    String(results.reduce((sum, round) => sum + round.failed, 0)).padStart(7),
    (of.bare === undefined ? "" : `${((100 * perSecond) / of.bare).toFixed(0)} %`).padStart(8),
    `${((100 * perSecond) / of.limit).toFixed(0)} %`.padStart(8),
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
      installation.add(`${name}-${durability}`, bytes, {
        limits,
        durability,
        profiles: [profileOf(`${name}-${durability}`, bytes)],
      });
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
  console.log("model  server    connections requests/s  p50 ms  p99 ms CPU µs/rq  failed   of bare of limit");
  for (const name of Object.keys(models).filter((one) => only?.includes(one) ?? true)) {
    const limit = await limitOf(name, models[name as keyof typeof models]);
    console.log(`${name.padEnd(6)} limit     ${limit.told}`);
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
      let ofBare: number | undefined;
      for (const [server, list] of results) {
        const perSecond = show(server.name, name, connections, list, { bare: ofBare, limit: limit.best });
        ofBare ??= perSecond;
      }
    }
  }
  await gateway.end("SIGTERM");
} finally {
  for (const child of children) child.kill();
  installation.dispose();
}
