import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { quantile } from "@portolan/numerics";
import { type Product, startProduct } from "../apps/cli/test/product.ts";
import { predict, prepareUseCase, type Setting } from "../test/chaos/workload.ts";

/**
 * What a newcomer waits for, and what an idle installation costs: installation from a clone, cold start to the first
 * prediction, warm start, memory of each process, latency at a low rate, and the demo.
 *
 * Usage: node bench/start.ts [--install] [--demo]   (both fetch packages and take minutes)
 */
const root = resolve(import.meta.dirname, "..");
const wants = (flag: string): boolean => process.argv.includes(flag);
const lowRatePerSecond = 20;
const lowRateSeconds = 20;

console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1) ?? "?"}`,
);
if (wants("--install")) row("install from a clone (packages fetched)", `${install().toFixed(1)} s`);
await installation();
if (wants("--demo")) row("demo in an empty folder", demo());

async function installation(): Promise<void> {
  const startedAt = performance.now();
  // As the launcher sets it: what the modules compile to is kept from one start to the next.
  const cache = join(root, ".toolchain/compile-cache");
  await using product = await startProduct({ NODE_COMPILE_CACHE: cache, ...process.env });
  row("cold start (initdb, migrations, both processes ready)", since(startedAt));
  const setting = await prepareUseCase(product);
  await untilServed(product, setting);
  row(
    "cold start to the first prediction (charter signed, model imported, endpoint deployed)",
    since(startedAt),
  );
  await latency(product, setting);
  for (const [name, bytes] of Object.entries(memoryOf(product)))
    row(`memory of ${name}`, `${(bytes / 2 ** 20).toFixed(0)} MiB resident`);
  await product.cli("down");
  const warmAt = performance.now();
  await product.up();
  await untilServed(product, setting);
  row("warm start to the first prediction", since(warmAt));
}

async function untilServed(product: Product, setting: Setting): Promise<void> {
  for (;;) {
    const { status } = await predict(product, setting).catch(() => ({ status: 0 }));
    if (status === 200) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** One request at a time at a fixed rate: the latency that a lone caller sees, by a client on the same machine. */
async function latency(product: Product, setting: Setting): Promise<void> {
  const millis = new Float64Array(lowRatePerSecond * lowRateSeconds);
  const startedAt = performance.now();
  for (let i = 0; i < millis.length; i++) {
    await new Promise((done) =>
      setTimeout(done, Math.max(0, startedAt + (i * 1000) / lowRatePerSecond - performance.now())),
    );
    const sentAt = performance.now();
    const { status } = await predict(product, setting);
    if (status !== 200) throw new Error(`a prediction was answered with ${status}`);
    millis[i] = performance.now() - sentAt;
  }
  const sorted = millis.toSorted();
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((p) => `${quantile(sorted, p).toFixed(2)} ms`);
  row(`prediction at ${lowRatePerSecond}/s, ${millis.length} requests`, `p50 ${p50}, p95 ${p95}, p99 ${p99}`);
}

function memoryOf(product: Product): Record<string, number> {
  const { processes, supervisor } = product.state();
  const pids = {
    ...Object.fromEntries(Object.entries(processes).map(([name, { pid }]) => [name, pid])),
    supervisor: supervisor.pid,
  };
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, residentBytes(pid)]));
}

/** Of one process; PostgreSQL's backends are its own children and come on top. */
function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

function install(): number {
  const folder = mkdtempSync(join(tmpdir(), "portolan-install-"));
  try {
    execFileSync("git", ["clone", "--quiet", root, folder]);
    const startedAt = performance.now();
    execFileSync(join(folder, "portolan"), ["--help"], { stdio: ["ignore", "ignore", "inherit"] });
    return (performance.now() - startedAt) / 1000;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function demo(): string {
  const folder = mkdtempSync(join(tmpdir(), "portolan-demo-"));
  try {
    const args = [
      "--json",
      "--home",
      join(folder, "home"),
      "demo",
      "--exit",
      "--port",
      "17500",
      "--gateway-port",
      "17501",
    ];
    const result = JSON.parse(execFileSync(join(root, "portolan"), args, { maxBuffer: 2 ** 26 }).toString());
    const steps = result.steps.map(
      (step: { title: string; seconds: number }) => `${step.title} ${step.seconds.toFixed(1)} s`,
    );
    return `${result.seconds.toFixed(0)} s (${steps.join("; ")})`;
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
  }
}

function since(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(2)} s`;
}

function row(what: string, figure: string): void {
  console.log(`${what.padEnd(90)} ${figure}`);
}
