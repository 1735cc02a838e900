// What it costs to put reads of features on the record: `node bench/features/reads.ts`. Prints, asserts nothing.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, systemClock } from "@portolan/kernel";
import { quantile } from "@portolan/numerics";
import type { FeatureRead, PredictionWriter } from "@portolan/predictions/contract";
import { openPredictionWriter } from "@portolan/predictions/log";

const context: FeatureRead["context"] = {
  organisationId: newId("organisation", systemClock.now()),
  useCaseId: newId("useCase", systemClock.now()),
  endpoint: "churn",
  environment: "production",
  variant: "champion",
  snapshotVersion: 41,
  costTags: { team: "ops" },
};
const views = ["accounts@1", "cards@3", "devices@1", "merchants@2", "visits@1"];

/** A read as the gateway notes it, of one of so many callers. */
function aRead(n: number, callers: number): FeatureRead {
  return {
    context,
    principal: `sa_0mwr2jm00abcdefghjkmnp${n % callers}`,
    purpose: "care",
    requestId: "req_0mwr2jm00abcdefghjkmnpqrst",
    receivedAt: systemClock.now(),
    views: [...views],
    entities: 100,
  };
}

/** Reads that are counted, in nanoseconds each; every caller's first is written before. */
async function counted(writer: PredictionWriter, callers: number): Promise<number> {
  for (let n = 0; n < callers; n++) await writer.noteRead(aRead(n, callers));
  const reads = Array.from({ length: 10_000 }, (_, n) => aRead(n, callers));
  const rounds: number[] = [];
  for (let round = 0; round < 60; round++) {
    const from = process.hrtime.bigint();
    for (const read of reads) void writer.noteRead(read);
    rounds.push(Number(process.hrtime.bigint() - from) / reads.length);
    await sleep(1);
  }
  return quantile(Float64Array.from(rounds.slice(10)).toSorted(), 0.5);
}

/** Reads that are announced, in microseconds until they may be answered: each of a caller of its own. */
async function announced(writer: PredictionWriter): Promise<readonly number[]> {
  const waits: number[] = [];
  for (let n = 0; n < 900; n++) {
    const from = performance.now();
    await writer.noteRead({ ...aRead(0, 1), principal: `sa_announced_${n}` });
    waits.push((performance.now() - from) * 1000);
  }
  const sorted = Float64Array.from(waits.slice(100)).toSorted();
  return [0.5, 0.99].map((p) => quantile(sorted, p));
}

const folder = mkdtempSync(join(tmpdir(), "portolan-reads-"));
const open = (name: string): Promise<PredictionWriter> =>
  openPredictionWriter({
    folder: join(folder, name),
    writerId: newId("writer", systemClock.now()),
    clock: systemClock,
  });
console.log(`${cpus().length} cores, ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}`);
for (const callers of [1, 100, 900]) {
  const writer = await open(`counted-${callers}`);
  console.log(`counted, ${callers} callers: ${(await counted(writer, callers)).toFixed(0)} ns a read`);
  await writer.close();
}
const writer = await open("announced");
const [p50 = 0, p99 = 0] = await announced(writer);
await writer.close();
console.log(`announced: p50 ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs`);
const bytes = readdirSync(join(folder, "announced"))
  .filter((name) => name.endsWith(".seg"))
  .reduce((sum, name) => sum + statSync(join(folder, "announced", name)).size, 0);
console.log(`${Math.round(bytes / 900)} bytes of the log a record`);
rmSync(folder, { recursive: true });
