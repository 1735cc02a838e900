import { readFile } from "node:fs/promises";
import { messageOf } from "@portolan/kernel";
import { createSession, loadRuntime, type Session } from "@portolan/onnx/session";
import { syntheticInputs, warmUp } from "@portolan/onnx/warm-up";
import type { ComputeJob, ComputeReply, Measured } from "./compute-messages.ts";

/** Measures one model in a process of its own, with the runtime's own session: one thread per run. */

const mostRuns = 500;
const longestMs = 500;

process.once("message", (job: ComputeJob) => {
  measure(job)
    .then((measured): ComputeReply => ({ kind: "measured", measured }))
    .catch((error: unknown): ComputeReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function measure({ modelPath, signature }: ComputeJob): Promise<Measured> {
  const bytes = await readFile(modelPath);
  await loadRuntime();
  const before = process.memoryUsage.rss();
  const startMs = performance.now();
  const session = await createSession(bytes, signature);
  const loadMicros = Math.round((performance.now() - startMs) * 1000);
  const { profile } = await warmUp(session, signature, () => process.hrtime.bigint());
  const loadedBytes = Math.max(0, process.memoryUsage.rss() - before);
  const single = await measureSingle(session, syntheticInputs(signature, 0));
  return {
    loadMicros,
    single,
    batches: profile.map(({ rows, micros }) => ({ rows, micros })),
    loadedBytes,
    peakBytes: await peakBytes(),
  };
}

/** Of this process since its program began; `getrusage` would count what its parent held when it was forked. */
async function peakBytes(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? process.resourceUsage().maxRSS * 1024 : Number(kilobytes) * 1024;
}

/** Rows one by one, as requests come that nobody shares a run with. */
async function measureSingle(
  session: Session,
  inputs: Parameters<Session["run"]>[0],
): Promise<Measured["single"]> {
  const micros: number[] = [];
  const cpuBefore = process.cpuUsage();
  const endMs = performance.now() + longestMs;
  while (micros.length < mostRuns && (micros.length === 0 || performance.now() < endMs)) {
    const start = process.hrtime.bigint();
    await session.run(inputs);
    micros.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const sorted = micros.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    Math.max(1, Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0));
  return {
    runs: micros.length,
    p50Micros: at(0.5),
    p95Micros: at(0.95),
    cpuMicros: Math.round((user + system) / micros.length),
  };
}
