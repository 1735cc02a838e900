import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { mlpModel } from "@portolan/onnx-format/testing";
import { gatewayProcess } from "@portolan/serving/contract";
import { messages } from "@portolan/serving/policy";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { cpuOf, median, pin } from "./load.ts";

/**
 * The gateway over gRPC with everything on, beside a bare gRPC server with the same model, in interleaved rounds: `ModelInfer` with raw
 * contents, calls at once spread over eight connections. Needs `h2load` (Debian's nghttp2-client) and two processors.
 *
 * Usage: node bench/gateway/grpc.ts [seconds per round] [rounds]
 */
const [seconds = 3, rounds = 3] = process.argv.slice(2).map(Number);
const columns = 30;
const atOnce = (process.env["BENCH_CONNECTIONS"] ?? "1,64,128").split(",").map(Number);
const only = process.env["BENCH_MODELS"]?.split(",");
const warmUpSeconds = Number(process.env["BENCH_WARM_UP_S"] ?? "8");
const models = { small: mlpModel([columns, 64, 32, 2]), big: mlpModel([columns, 2048, 2048, 2048, 2]) };
const method = "/inference.GRPCInferenceService/ModelInfer";
const folder = mkdtempSync(join(tmpdir(), "bench-grpc-"));
const run = promisify(execFile);

interface Server {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  readonly model: string;
  readonly apiKey: string;
}

interface Round {
  readonly perSecond: number;
  readonly meanMs: number;
  /** 99th percentile over all calls of the round. */
  readonly p99Ms: number;
  readonly failed: number;
  readonly cpuMicros: number;
}

function requestTo(model: string): Uint8Array {
  const row = Float32Array.from({ length: columns }, (_, at) => at / columns);
  return messages.inferRequest.encode({
    model_name: model,
    model_version: "",
    id: "",
    parameters: {},
    inputs: [{ name: "x", datatype: "FP32", shape: [1, columns] }],
    outputs: [],
    raw_input_contents: [new Uint8Array(row.buffer)],
  });
}

/** h2load does not read trailers: that the answer is one, and not a refusal, is seen here first. */
async function demandAnswer({ address, apiKey, model }: Server): Promise<void> {
  const client = new GrpcClient(address, apiKey);
  const { message } = await client.call("ModelInfer", requestTo(model), messages.inferResponse);
  client.close();
  if (message.raw_output_contents.length === 0) throw new Error(`${address} answers without raw contents`);
}

async function drive(server: Server, calls: number, forSeconds: number): Promise<Round> {
  const message = requestTo(server.model);
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  const file = join(folder, `${server.name}-${server.model}.bin`);
  writeFileSync(file, framed);
  const connections = Math.min(8, calls);
  const headers = [
    "content-type: application/grpc",
    "te: trailers",
    `authorization: Bearer ${server.apiKey}`,
  ];
  const timings = join(folder, "timings.tsv");
  rmSync(timings, { force: true }); // h2load appends
  const before = cpuOf([server.pid]);
  const { stdout } = await run("taskset", [
    "-c",
    "1",
    "h2load",
    "-t1",
    `-c${connections}`,
    `-m${calls / connections}`,
    `-D${forSeconds}`,
    `--log-file=${timings}`,
    ...headers.flatMap((header) => ["-H", header]),
    "-d",
    file,
    `http://${server.address}${method}`,
  ]);
  const spent = cpuOf([server.pid]) - before;
  const figure = (pattern: RegExp): number => {
    const text = pattern.exec(stdout)?.[1];
    if (text === undefined) throw new Error(`h2load said: ${stdout}`);
    return Number(text);
  };
  const done = figure(/(\d+) succeeded/);
  const perSecond = figure(/finished in [\d.]+\w+, ([\d.]+) req\/s/);
  const failed = figure(/(\d+) failed/) + figure(/(\d+) errored/) + figure(/(\d+) timeout/);
  // By Little's law: the calls at once are kept up all the time.
  return {
    perSecond,
    meanMs: (1000 * calls) / perSecond,
    p99Ms: p99Of(timings),
    failed,
    cpuMicros: spent / Math.max(1, done),
  };
}

/** Of h2load's log: start, status and microseconds of each call, by tabs. */
function p99Of(file: string): number {
  const micros = readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [Number(line.split("\t")[2])]))
    .toSorted((a, b) => a - b);
  return (micros[Math.floor(micros.length * 0.99)] ?? Number.NaN) / 1000;
}

async function bare(name: string, bytes: Uint8Array): Promise<Server & { kill(): void }> {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, bytes);
  const entry = fileURLToPath(new URL("./bare-grpc-server.ts", import.meta.url));
  const child = spawn(process.execPath, [...gatewayProcess.nodeFlags, entry, file, "x", String(columns)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const pid = child.pid ?? 0;
  pin(pid);
  return {
    name: "bare",
    address: `127.0.0.1:${port.toString().trim()}`,
    pid,
    model: "m",
    apiKey: "none",
    kill: () => void child.kill(),
  };
}

const installation = new TestInstallation();
const bares: { kill(): void }[] = [];
try {
  const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };
  for (const [name, bytes] of Object.entries(models))
    for (const durability of ["buffered", "durable"] as const)
      installation.add(`${name}-${durability}`, bytes, { limits, durability });
  await installation.publish(1);
  const gateway = await installation.start();
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}; ${rounds} rounds of ${seconds} s, medians`,
  );
  console.log("model  server    calls at once  calls/s  mean ms   p99 ms  CPU µs/call  failed  of bare");
  for (const [name, bytes] of Object.entries(models).filter(([one]) => only?.includes(one) ?? true)) {
    const first = await bare(name, bytes);
    bares.push(first);
    const governed = (["buffered", "durable"] as const).map((durability) => ({
      name: durability,
      address: gateway.grpcAddress,
      pid,
      model: `${name}-${durability}`,
      apiKey: installation.apiKey,
    }));
    const servers: Server[] = [first, ...governed];
    for (const server of servers) {
      await demandAnswer(server);
      await drive(server, 64, warmUpSeconds);
    }
    for (const calls of atOnce) {
      const results = new Map<Server, Round[]>(servers.map((server) => [server, []]));
      for (let round = 0; round < rounds; round++)
        for (const [server, list] of results) list.push(await drive(server, calls, seconds));
      let base: number | undefined;
      for (const [server, list] of results) {
        const of = (pick: (round: Round) => number): number => median(list.map(pick));
        const perSecond = of((one) => one.perSecond);
        console.log(
          [
            name.padEnd(6),
            server.name.padEnd(9),
            String(calls).padStart(13),
            perSecond.toFixed(0).padStart(8),
            ...[of((one) => one.meanMs), of((one) => one.p99Ms)].map((ms) => ms.toFixed(2).padStart(8)),
            of((one) => one.cpuMicros)
              .toFixed(0)
              .padStart(12),
            String(list.reduce((sum, one) => sum + one.failed, 0)).padStart(7),
            (base === undefined ? "" : `${((100 * perSecond) / base).toFixed(0)} %`).padStart(8),
          ].join(" "),
        );
        base ??= perSecond;
      }
    }
  }
  await gateway.end("SIGTERM");
} finally {
  for (const one of bares) one.kill();
  installation.dispose();
}
