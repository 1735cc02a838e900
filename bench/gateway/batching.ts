import { cpus, loadavg } from "node:os";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median, pin } from "./load.ts";

/**
 * What shared runs gain: the same network once with any number of rows in a run, and once with exactly one, which cannot be shared. Both in a
 * thread of one gateway, by turns, under the same closed loop; requests of one row each.
 *
 * Usage: node bench/gateway/batching.ts [connections] [seconds] [rounds]
 */
const [connections = 64, seconds = 5, rounds = 3] = process.argv.slice(2).map(Number);
const sizes = [30, 1024, 1024, 2];
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 60_000, bodyBytes: 100_000 };
const row = Array.from({ length: 30 }, (_, i) => Math.sin(i).toFixed(4)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const installation = new TestInstallation();

try {
  installation.add("shared", mlpModel(sizes), { limits });
  installation.add("single", mlpModel(sizes, 1), { limits });
  await installation.publish(1);
  const gateway = await installation.start({ WORKER_THREADS: "1" });
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  const load = (endpoint: string, forSeconds: number) =>
    drive({
      url: `${gateway.url}/v2/models/${endpoint}/infer`,
      headers: { authorization: `Bearer ${installation.apiKey}` },
      body,
      connections,
      seconds: forSeconds,
      pids: [pid],
    });
  const ratios: number[] = [];
  for (const endpoint of ["shared", "single"]) await load(endpoint, 3);
  for (let round = 0; round < rounds; round++) {
    const shared = await load("shared", seconds);
    const single = await load("single", seconds);
    ratios.push(shared.perSecond / single.perSecond);
    console.log(
      `shared ${shared.perSecond.toFixed(0)}/s (p99 ${shared.p99.toFixed(1)} ms), ` +
        `single ${single.perSecond.toFixed(0)}/s (p99 ${single.p99.toFixed(1)} ms), failed ${shared.failed + single.failed}`,
    );
  }
  console.log(`node ${process.version}, ${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(
    `${connections} connections: ${median(ratios).toFixed(2)} x with shared runs (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  );
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
