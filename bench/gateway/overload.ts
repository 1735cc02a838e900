import { readFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, pin } from "./load.ts";

/**
 * More requests than can be answered, in an open loop: clients come at a fixed rate whether they are answered or not. First the peak in a closed
 * loop, then so much of it for so long. Prints each ten seconds: answers within the deadline, refusals and how fast they came, memory.
 *
 * Usage: node bench/gateway/overload.ts [small|big] [percent of the peak] [seconds]
 */
const [model = "big", percentText = "300", secondsText = "60"] = process.argv.slice(2);
const percent = Number(percentText);
const seconds = Number(secondsText);
const deadlineMs = 250;
const tickMs = 5;
const mostOpen = 2000;
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: deadlineMs, bodyBytes: 100_000 };

interface Interval {
  good: number;
  late: number;
  refused: number;
  broken: number;
  /** Those that this client did not send: it had too many open. */
  unsent: number;
  refusalMs: number[];
  goodMs: number[];
}
const fresh = (): Interval => ({
  good: 0,
  late: 0,
  refused: 0,
  broken: 0,
  unsent: 0,
  refusalMs: [],
  goodMs: [],
});

const installation = new TestInstallation();
const agent = new Agent({ keepAlive: true, maxSockets: mostOpen });
let open = 0;
let now = fresh();

function ask(url: URL, headers: Record<string, string>): void {
  if (open >= mostOpen) {
    now.unsent++;
    return;
  }
  open++;
  const startMs = performance.now();
  const ended = (status: number): void => {
    open--;
    const tookMs = performance.now() - startMs;
    if (status === 200 && tookMs <= deadlineMs) {
      now.good++;
      now.goodMs.push(tookMs);
    } else if (status === 200) now.late++;
    else if (status === 429 || status === 503 || status === 504) {
      now.refused++;
      now.refusalMs.push(tookMs);
    } else now.broken++;
  };
  const sent = httpRequest(url, { method: "POST", agent, headers }, (response) => {
    response.resume();
    response.once("end", () => ended(response.statusCode ?? 0));
  });
  sent.once("error", () => ended(0));
  sent.end(body);
}

function quantile(values: number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
}

try {
  const bytes = model === "small" ? mlpModel([30, 64, 32, 2]) : mlpModel([30, 2048, 2048, 2048, 2]);
  installation.add("score", bytes, { limits });
  await installation.publish(1);
  const gateway = await installation.start();
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  pin(process.pid, 1);
  const url = `${gateway.url}/v2/models/score/infer`;
  const authorization = { authorization: `Bearer ${installation.apiKey}` };
  const closed = { url, pids: [pid], headers: authorization, body, connections: 64, seconds: 5 };
  await drive(closed);
  const peak = (await drive(closed)).perSecond;
  const rate = (peak * percent) / 100;
  console.log(
    `node ${process.version}, load ${loadavg()[0]?.toFixed(1)}; ${model}: peak ${peak.toFixed(0)}/s, asked ${rate.toFixed(0)}/s for ${seconds} s, deadline ${deadlineMs} ms`,
  );
  console.log(
    "    s   good/s  of peak  late/s refused/s broken unsent/s  p50/p99 good  p50/p99 refused   MiB",
  );
  const headers = {
    ...authorization,
    "content-type": "application/json",
    "content-length": String(body.length),
  };
  const target = new URL(url);
  const start = performance.now();
  let sent = 0;
  let shown = 0;
  for (;;) {
    const elapsed = (performance.now() - start) / 1000;
    if (elapsed - shown >= 10 || elapsed >= seconds) {
      const span = elapsed - shown;
      const one = now;
      now = fresh();
      shown = elapsed;
      const per = (count: number): string => (count / span).toFixed(0);
      console.log(
        [
          elapsed.toFixed(0).padStart(5),
          per(one.good).padStart(8),
          `${((100 * one.good) / span / peak).toFixed(0)} %`.padStart(8),
          per(one.late).padStart(7),
          per(one.refused).padStart(9),
          String(one.broken).padStart(6),
          per(one.unsent).padStart(8),
          `${quantile(one.goodMs, 0.5)}/${quantile(one.goodMs, 0.99)}`.padStart(13),
          `${quantile(one.refusalMs, 0.5)}/${quantile(one.refusalMs, 0.99)}`.padStart(15),
          residentMiB(pid).toFixed(0).padStart(5),
        ].join(" "),
      );
      if (elapsed >= seconds) break;
    }
    for (; sent < elapsed * rate; sent++) ask(target, headers);
    await sleep(tickMs);
  }
  agent.destroy();
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
