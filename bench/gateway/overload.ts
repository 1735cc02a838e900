import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { drive, pin, ticksOf } from "./load.ts";
import { OpenLoop } from "./open-loop.ts";

/**
 * More requests than can be answered, in an open loop: clients come at a fixed rate whether they are answered or not. First the peak in a closed
 * loop, then so much of it for so long. Prints each ten seconds: answers within the deadline, refusals and how fast they came, memory.
 *
 * With two processors, `shared` gives the server one of them and the client the other: what refusing costs is taken from the answers. `apart` gives
 * the model's own thread the one, and all else, the client included, the other: as on a machine whose processors outnumber the busy threads.
 *
 * Usage: node bench/gateway/overload.ts [small|big] [percent of the peak] [seconds] [shared|apart]
 */
const [model = "big", percentText = "300", secondsText = "60", processors = "shared"] = process.argv.slice(2);
const percent = Number(percentText);
const seconds = Number(secondsText);
const deadlineMs = 250;
const intervalSeconds = 10;
const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
const limits = { ratePerSecond: 1e6, burst: 1e6, timeoutMs: deadlineMs, bodyBytes: 100_000 };

/** As a charter's with a p95 of 100 ms: half of it may go by in the queue. */
const resilience = { maxInFlight: 1000, slowMs: deadlineMs, targetWaitMs: 50 };

interface Interval {
  good: number;
  late: number;
  refused: number;
  broken: number;
  refusalMs: number[];
  goodMs: number[];
}
const fresh = (): Interval => ({ good: 0, late: 0, refused: 0, broken: 0, refusalMs: [], goodMs: [] });
let now = fresh();

function ended(status: number, tookMs: number): void {
  if (status === 200 && tookMs <= deadlineMs) {
    now.good++;
    now.goodMs.push(tookMs);
  } else if (status === 200) now.late++;
  else if (status === 429 || status === 503 || status === 504) {
    now.refused++;
    now.refusalMs.push(tookMs);
  } else now.broken++;
}

/** The processor time of a thread so far, in ticks. */
function threadTicks(pid: number): Map<number, number> {
  const ids = readdirSync(`/proc/${pid}/task`).map(Number);
  return new Map(ids.map((id) => [id, ticksOf(`/proc/${pid}/task/${id}/stat`)]));
}

/** Moves all of a process to the second processor but the thread that computed most between both looks, beside its first. */
function setApart(
  pid: number,
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): void {
  const spent = [...after].map(([id, ticks]) => [id, ticks - (before.get(id) ?? 0)] as const);
  const [own] = spent.filter(([id]) => id !== pid).toSorted(([, a], [, b]) => b - a);
  if (!own) throw new Error("the model has no thread of its own");
  for (const [id] of spent)
    spawnSync("taskset", ["-cp", id === own[0] ? "0" : "1", String(id)], { stdio: "ignore" });
}

function quantile(values: number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
}

const installation = new TestInstallation();
try {
  const bytes = model === "small" ? mlpModel([30, 64, 32, 2]) : mlpModel([30, 2048, 2048, 2048, 2]);
  installation.add("score", bytes, { limits, resilience });
  await installation.publish(1);
  const gateway = await installation.start();
  const pid = gateway.child.pid ?? 0;
  pin(pid);
  pin(process.pid, 1);
  const url = `${gateway.url}/v2/models/score/infer`;
  const headers = { authorization: `Bearer ${installation.apiKey}` };
  const closed = { url, pids: [pid], headers, body, connections: 64, seconds: 5 };
  const before = threadTicks(pid);
  await drive(closed);
  if (processors === "apart") setApart(pid, before, threadTicks(pid));
  const peak = (await drive(closed)).perSecond;
  const rate = (peak * percent) / 100;
  console.log(
    `node ${process.version}, load ${loadavg()[0]?.toFixed(1)}; ${model}, processors ${processors}: peak ${peak.toFixed(0)}/s, asked ${rate.toFixed(0)}/s for ${seconds} s, deadline ${deadlineMs} ms`,
  );
  console.log(
    "    s   good/s  of peak  late/s refused/s broken unsent/s  p50/p99 good  p50/p99 refused   MiB",
  );
  const clients = new OpenLoop(new URL(url), { ...headers, "content-type": "application/json" }, body, {
    mostOpen: 2000,
    ended,
  });
  for (let elapsed = 0; elapsed < seconds; elapsed += intervalSeconds) {
    const startMs = performance.now();
    await clients.run(rate, intervalSeconds);
    const span = (performance.now() - startMs) / 1000;
    const one = now;
    now = fresh();
    const { unsent } = clients;
    clients.unsent = 0;
    const per = (count: number): string => (count / span).toFixed(0);
    console.log(
      [
        (elapsed + span).toFixed(0).padStart(5),
        per(one.good).padStart(8),
        `${((100 * one.good) / span / peak).toFixed(0)} %`.padStart(8),
        per(one.late).padStart(7),
        per(one.refused).padStart(9),
        String(one.broken).padStart(6),
        per(unsent).padStart(8),
        `${quantile(one.goodMs, 0.5)}/${quantile(one.goodMs, 0.99)}`.padStart(13),
        `${quantile(one.refusalMs, 0.5)}/${quantile(one.refusalMs, 0.99)}`.padStart(15),
        residentMiB(pid).toFixed(0).padStart(5),
      ].join(" "),
    );
  }
  clients.close();
  await gateway.end("SIGTERM");
} finally {
  installation.dispose();
}
