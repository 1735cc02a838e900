// Cost of the prediction log on this machine: `node bench/prediction-log.ts [folder]`. Prints, asserts nothing.
import { hash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { newId, systemClock } from "@portolan/kernel";
import { type Durability, type PredictionRecord, type PredictionWriter } from "@portolan/predictions";
import { openPredictionWriter } from "@portolan/predictions/log";

const organisationId = newId("organisation", systemClock.now());
const context: PredictionRecord["context"] = {
  organisationId,
  useCaseId: newId("useCase", systemClock.now()),
  endpoint: "delays",
  environment: "production",
  variant: "champion",
  model: { name: "delays", version: "7", digest: `sha256:${"ab".repeat(32)}` },
  snapshotVersion: 41,
  costTags: { team: "ops" },
};

// 30 features as a client sends them and two probabilities as the gateway answers: 340 and 150 bytes, of which half do not repeat.
function aRecord(n: number): PredictionRecord {
  const values = Array.from({ length: 30 }, () => (Math.random() * 1000).toFixed(4));
  return {
    context,
    principal: "sa_0mwr2jm00abcdefghjkmnpqrst",
    requestId: `req-${n}`,
    receivedAt: systemClock.now(),
    latency: { authMicros: 3, runMicros: 40, totalMicros: 61 },
    status: { kind: "ok" },
    bytes: { in: 340 + (n % 61), out: 150 + (n % 7) },
    inputs: {
      mediaType: "application/json",
      bytes: Buffer.from(
        `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${values.join(",")}]}]}`,
      ),
    },
    outputs: {
      mediaType: "application/json",
      bytes: Buffer.from(
        `{"model_name":"delays","model_version":"7","outputs":[{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[${Math.random()},${Math.random()}]}]}`,
      ),
    },
  };
}

interface Figures {
  readonly recordsPerSecond: number;
  readonly mainMicros: number;
  readonly allMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** `concurrency` callers, each waiting for its acknowledgement before it appends again, as requests do. */
async function run(
  writer: PredictionWriter,
  durability: Durability,
  concurrency: number,
  total: number,
): Promise<Figures> {
  const records = Array.from({ length: 2000 }, (_, n) => aRecord(n));
  const nanos: number[] = [];
  let next = 0;
  const caller = async () => {
    for (let n = next++; n < total; n = next++) {
      const record = records[n % records.length];
      if (!record) return;
      const start = process.hrtime.bigint();
      await writer.submit(record, { durability }).written;
      nanos.push(Number(process.hrtime.bigint() - start));
    }
  };
  const cpu = process.cpuUsage();
  const thread = process.threadCpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, caller));
  const seconds = (performance.now() - start) / 1000;
  const all = process.cpuUsage(cpu);
  const main = process.threadCpuUsage(thread);
  nanos.sort((a, b) => a - b);
  return {
    recordsPerSecond: Math.round(total / seconds),
    mainMicros: (main.user + main.system) / total,
    allMicros: (all.user + all.system) / total,
    p50Micros: (nanos[Math.floor(total * 0.5)] ?? 0) / 1000,
    p99Micros: (nanos[Math.floor(total * 0.99)] ?? 0) / 1000,
  };
}

/**
 * As in a gateway under load: a loop that is never idle takes some requests per turn and does other work for each; what the log
 * adds to the process's CPU time is what its requests pay. `undefined`: the other work alone.
 */
async function beside(writer: PredictionWriter | undefined, perTurn: number, total: number): Promise<number> {
  const records = Array.from({ length: 2000 }, (_, n) => aRecord(n));
  const others = Buffer.alloc(20_000, 7); // hashed for each request: some 20 µs of other work
  let written = 0;
  const start = process.cpuUsage();
  for (let n = 0; n < total; ) {
    for (let i = 0; i < perTurn; i++, n++) {
      hash("sha256", others, "hex");
      const record = records[n % records.length];
      if (record) void writer?.submit(record, { durability: "buffered" }).written.then(() => written++);
    }
    await nextTurn();
    while (writer && n - written > 8000) await nextTurn();
  }
  // Asleep, not turning: turns without work would count as the log's.
  while (writer && written < total) await sleep(1);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / total;
}

const base = process.argv[2] ?? tmpdir();
const folder = mkdtempSync(join(base, "prediction-log-"));
console.log(`${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, log in ${base}`);
const writer = await openPredictionWriter({
  folder,
  keysFolder: join(folder, "keys"), // sealed, as a gateway's log is
  writerId: newId("writer", systemClock.now()),
  clock: systemClock,
});
await run(writer, "buffered", 256, 50_000);
console.log("CPU µs that a record costs all threads, beside a busy loop (medians of 5 interleaved rounds)");
for (const perTurn of [8, 32, 128]) {
  const costs: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < 5; round++) {
    const alone = await beside(undefined, perTurn, 40_000);
    others.push(alone);
    costs.push((await beside(writer, perTurn, 40_000)) - alone);
  }
  costs.sort((a, b) => a - b);
  others.sort((a, b) => a - b);
  const [low = 0, , median = 0, , high = 0] = costs;
  const [, , other = 0] = others;
  console.log(
    `${String(perTurn).padStart(4)} records per turn: ${median.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)}); the other work alone ${other.toFixed(1)}, on a quiet machine 12.9`,
  );
}
console.log("durability  callers   records/s  main µs  all threads µs      p50 µs      p99 µs");
for (const [durability, concurrency, total] of [
  ["buffered", 1, 20_000],
  ["buffered", 64, 200_000],
  ["buffered", 2048, 500_000],
  ["durable", 1, 300],
  ["durable", 64, 20_000],
  ["durable", 2048, 300_000],
] as const) {
  const { recordsPerSecond, ...f } = await run(writer, durability, concurrency, total);
  const cells = [f.mainMicros, f.allMicros, f.p50Micros, f.p99Micros].map((value) => value.toFixed(1));
  const [main = "", all = "", p50 = "", p99 = ""] = cells;
  console.log(
    `${durability.padEnd(10)}  ${String(concurrency).padStart(7)}  ${String(recordsPerSecond).padStart(10)}  ${main.padStart(7)}  ${all.padStart(14)}  ${p50.padStart(10)}  ${p99.padStart(10)}`,
  );
}
const { appendedRecords } = writer.status();
await writer.close();
const bytes = readdirSync(folder)
  .filter((name) => name.endsWith(".seg"))
  .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
console.log(`${(bytes / appendedRecords).toFixed(0)} bytes per record on disk`);
rmSync(folder, { recursive: true, force: true });
