import { cpus, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { loopModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, median } from "./load.ts";

/**
 * How late the gateway's event loop is while a model that takes long for one row is asked as much as it can do. The model is not batchable, and
 * runs in a thread of its own, unpinned; the metric is the 99th percentile of each second.
 *
 * Usage: node bench/gateway/loop-delay.ts [rounds of the model's loop] [seconds] [connections]
 */
const [loops = 60_000, seconds = 20, connections = 16] = process.argv.slice(2).map(Number);
const body = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}';
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: 10_000, bodyBytes: 100_000 };
const installation = new TestInstallation();

try {
  installation.add("slow", loopModel(BigInt(loops)), { limits });
  await installation.publish(1);
  const gateway = await installation.start();
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  const ask = async (): Promise<number> => {
    const startMs = performance.now();
    const response = await gateway.post("/v2/models/slow/infer", body);
    await response.arrayBuffer();
    return performance.now() - startMs;
  };
  const alone: number[] = [];
  for (let n = 0; n < 5; n++) alone.push(await ask());
  const lates: number[] = [];
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      await sleep(1000);
      const page = await (await gateway.get("/metrics")).text();
      const late = /^portolan_gateway_event_loop_delay_seconds (\S+)$/m.exec(page)?.[1];
      if (late !== undefined) lates.push(Number(late) * 1000);
    }
  })();
  const url = `${gateway.url}/v2/models/slow/infer`;
  const round = await drive({ url, headers, body, connections, seconds, pids: [gateway.child.pid ?? 0] });
  isOver = true;
  await watching;
  console.log(`node ${process.version}, ${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
  console.log(
    `a run of ${median(alone).toFixed(0)} ms, ${connections} connections for ${seconds} s: ${round.perSecond.toFixed(1)} requests/s, ${round.failed} failed; ` +
      `event loop late by ${median(lates).toFixed(1)} ms (median of each second's p99), ${Math.max(...lates).toFixed(1)} ms at most`,
  );
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
