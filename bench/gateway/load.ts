import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** One round of closed-loop load. Times in milliseconds; `cpuMicros` is the server's, all threads, per request. */
export interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  readonly cpuMicros: number;
}

export interface Load {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Processes whose CPU time is read. */
  readonly pids: readonly number[];
}

const run = promisify(execFile);
/** Clock ticks of /proc: 100 a second on every Linux that Node supports. */
const tickMicros = 10_000;

/** CPU time of the processes and their threads so far, microseconds. */
export function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(`/proc/${pid}/stat`) * tickMicros, 0);
}

/** Ticks in user and kernel mode, from a `stat` file of /proc. */
export function ticksOf(file: string): number {
  const line = readFileSync(file, "latin1");
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** The process, all its threads, on one processor alone: the first for servers, the second for clients. */
export function pin(pid: number, processor = 0): void {
  spawn("taskset", ["-acp", String(processor), String(pid)], { stdio: "ignore" });
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Drives one server with `wrk` (Debian package), pinned to the last processor so that it takes none from the server. */
export async function drive(load: Load): Promise<Round> {
  const script = join(mkdtempSync(join(tmpdir(), "wrk-")), "post.lua");
  const headers = Object.entries({ "content-type": "application/json", ...load.headers })
    .map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
    .join("\n");
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.body = [==[${load.body}]==]\n${headers}
done = function(summary, latency)
  local failed = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect
  io.write(string.format("FIGURES %d %d %d %f %f\\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end\n`,
  );
  const before = cpuOf(load.pids);
  const args = ["-t1", `-c${load.connections}`, `-d${load.seconds}s`, "-s", script, load.url];
  const { stdout } = await run("taskset", ["-c", "1", "wrk", ...args]);
  const spent = cpuOf(load.pids) - before;
  const figures = /FIGURES (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)/.exec(stdout)?.slice(1).map(Number) ?? [];
  const [requests = 0, micros = 1, failed = 0, p50 = 0, p99 = 0] = figures;
  return {
    perSecond: requests / (micros / 1e6),
    p50: p50 / 1000,
    p99: p99 / 1000,
    failed,
    cpuMicros: spent / Math.max(1, requests),
  };
}
