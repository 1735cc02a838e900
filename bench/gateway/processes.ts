import { cpus, loadavg } from "node:os";
import { mlpModel } from "@portolan/onnx-format/testing";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin, type Round } from "./load.ts";

/**
 * CPU per request of two gateway processes on one port beside one process, in interleaved rounds. Needs `wrk` and two processors.
 * `shared`: both on one processor, with the same 64 connections as the one: what more processes cost, apart from what more processors bring.
 * `own`: a processor and 32 connections each, as they are meant to run; with two processors the client takes its part of the second one.
 *
 * Usage: node bench/gateway/processes.ts [seconds per round] [rounds] [shared|own]
 */
const [seconds = 3, rounds = 5] = process.argv.slice(2).map(Number);
const hasOwn = process.argv[4] === "own";
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 5000, bodyBytes: 100_000 };

async function start(
  count: number,
  port: number,
): Promise<{ installation: TestInstallation; gateways: TestGateway[] }> {
  const installation = new TestInstallation();
  installation.add("small", mlpModel([30, 64, 32, 2]), { limits });
  await installation.publish(1);
  const shared = {
    GATEWAY_SHARED_PORT: "true",
    GATEWAY_PORT: String(port),
    GRPC_PORT: String(port + 1),
    METRICS_PORT: "0",
  };
  const gateways: TestGateway[] = [];
  for (let n = 1; n <= count; n++)
    gateways.push(
      await installation.start({ ...shared, ...(n === 1 ? {} : installation.another(`gateway-${n}`)) }),
    );
  for (const [at, { child }] of gateways.entries()) pin(child.pid ?? 0, hasOwn ? at : 0);
  return { installation, gateways };
}

const sides = [await start(1, 17421), await start(2, 17423)];
const results: Round[][] = [[], []];
try {
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}`,
  );
  const shot = ({ installation, gateways }: (typeof sides)[number], forSeconds: number): Promise<Round> =>
    drive({
      url: `${gateways[0]?.url ?? ""}/v2/models/small/infer`,
      pids: gateways.map(({ child }) => child.pid ?? 0),
      headers: { authorization: `Bearer ${installation.apiKey}` },
      body,
      connections: hasOwn ? 32 * gateways.length : 64,
      seconds: forSeconds,
    });
  for (const side of sides) await shot(side, 5);
  for (let round = 0; round < rounds; round++)
    for (const [at, side] of sides.entries()) results[at]?.push(await shot(side, seconds));
  console.log("processes requests/s  p50 ms  p99 ms CPU µs/rq  failed");
  for (const [at, list] of results.entries()) {
    const of = (pick: (round: Round) => number): number => median(list.map(pick));
    const cells = [
      String(at + 1).padStart(9),
      of((round) => round.perSecond)
        .toFixed(0)
        .padStart(10),
      of((round) => round.p50)
        .toFixed(2)
        .padStart(7),
      of((round) => round.p99)
        .toFixed(2)
        .padStart(7),
      of((round) => round.cpuMicros)
        .toFixed(1)
        .padStart(9),
      String(list.reduce((sum, round) => sum + round.failed, 0)).padStart(7),
    ];
    console.log(cells.join(" "));
  }
  const ratios = (results[0] ?? []).map((one, at) => (results[1]?.[at]?.cpuMicros ?? 0) / one.cpuMicros);
  console.log(`CPU per request, two processes over one: ${median(ratios).toFixed(2)} (goal at most 1.10)`);
} finally {
  for (const { installation, gateways } of sides) {
    for (const gateway of gateways) await gateway.end("SIGTERM");
    installation.dispose();
  }
}
