import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { OnlineRecord } from "@portolan/features/contract";
import { asEpochMicros } from "@portolan/kernel";
import { openOnlineWriter } from "@portolan/lmdb";

/**
 * Windows over a log in the embedded store: a replay of events, then events at a fixed rate, from the moment at which each is due until a reader sees it
 * (the fold has resolved, which is after the flush to disk). The writer as control has it, a process of its own: no HTTP, no contract, no segment.
 *
 * Usage: node bench/features/windows.ts [events to replay] [events per second] [seconds] [entities]
 */
const [replayed = 1_000_000, rate = 10_000, seconds = 20, entities = 20_000] = process.argv
  .slice(2, 6)
  .map(Number);
const hour = 3_600_000_000;
const start = 1_767_225_600_000_000;
const pageLines = 50_000;

const header = {
  organisationId: "org_bench",
  environment: "production",
  view: "stations@1",
  digest: "sha256:00",
  ttlMicros: 24 * hour,
  featureNames: ["n_1h", "n_24h", "sum_1h", "mean_24h", "max_24h", "last_1h"],
  windows: {
    features: [
      { aggregate: "count", operand: -1, windowMicros: hour },
      { aggregate: "count", operand: -1, windowMicros: 24 * hour },
      { aggregate: "sum", operand: 0, windowMicros: hour },
      { aggregate: "mean", operand: 0, windowMicros: 24 * hour },
      { aggregate: "max", operand: 0, windowMicros: 24 * hour },
      { aggregate: "last", operand: 0, windowMicros: hour },
    ],
    operands: ["int"],
    longestMicros: 24 * hour,
    keyParts: 1,
    tileMicros: (24 * hour) / 64,
  },
} as const;

/** Numbers that look random, and are the same at every run. */
const spread = (n: number, below: number): number => Math.imul(n, 2_654_435_761) >>> (0 % below);
const keyOf = (sequence: number): string => `e${(Math.imul(sequence, 2_654_435_761) >>> 8) % entities}`;

function lineOf(sequence: number, event: number): OnlineRecord {
  return {
    key: [keyOf(sequence)],
    record: { event, available: event, sequence, values: [spread(sequence, 1000) % 1000] },
  };
}

/** A page as a fold brings it: entity by entity. */
function pageOf(from: number, to: number, eventOf: (sequence: number) => number): OnlineRecord[] {
  const lines = Array.from({ length: to - from }, (_, index) => from + index + 1).map((sequence) =>
    lineOf(sequence, eventOf(sequence)),
  );
  return [...Map.groupBy(lines, ({ key: [name] }) => name).values()].flat();
}

const folder = mkdtempSync(join(tmpdir(), "bench-windows-"));
const store = openOnlineWriter({ folder });
const note = (text: string): void => void process.stdout.write(`${text}\n`);
note(`${cpus().length} x ${cpus()[0]?.model ?? "?"}, load ${loadavg()[0]?.toFixed(1) ?? "?"}`);

const span = 12 * hour;
const eventOf = (sequence: number): number => start + Math.floor((sequence * span) / replayed);
async function* replay(): AsyncGenerator<OnlineRecord[]> {
  for (let from = 0; from < replayed; from += pageLines) {
    yield pageOf(from, Math.min(from + pageLines, replayed), eventOf);
    await delay(0);
  }
}
const began = performance.now();
const end = start + span;
await store.fold(header, {
  log: "flg_bench",
  after: 0,
  upTo: replayed,
  asOf: asEpochMicros(end),
  pages: replay(),
});
const took = (performance.now() - began) / 1000;
note(
  `replay of ${replayed} events into ${entities} entities: ${took.toFixed(1)} s, ${Math.round(replayed / took)}/s`,
);

const latencies: number[] = [];
let sequence = replayed;
const first = performance.now();
while (performance.now() - first < seconds * 1000) {
  const due = Math.floor(((performance.now() - first) * rate) / 1000);
  const count = due - (sequence - replayed);
  if (count < 1) {
    await delay(1);
    continue;
  }
  const after = sequence;
  const at = (number: number): number => end + Math.floor(((number - replayed) * 1_000_000) / rate);
  const page = pageOf(after, after + count, at);
  sequence += count;
  const asOf = asEpochMicros(at(sequence));
  await store.fold(header, {
    log: "flg_bench",
    after,
    upTo: sequence,
    asOf,
    pages: (async function* () {
      yield page;
    })(),
  });
  const now = performance.now() - first;
  for (let number = after + 1; number <= sequence; number += 1)
    latencies.push(now - ((number - replayed) * 1000) / rate);
}
latencies.sort((one, other) => one - other);
const part = (share: number): string => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
note(
  `${Math.round(latencies.length / seconds)} events/s for ${seconds} s, due to readable: p50 ${part(0.5)} ms, p99 ${part(0.99)} ms, most ${part(0.9999)} ms`,
);

const reads: number[] = [];
for (let n = 0; n < 20_000; n += 1) {
  const from = performance.now();
  await store.read([{ view: header, key: [keyOf(n)] }], asEpochMicros(end + seconds * 1_000_000));
  reads.push((performance.now() - from) * 1000);
}
reads.sort((one, other) => one - other);
note(
  `read of 6 windows of an entity: p50 ${(reads[10_000] ?? 0).toFixed(0)} µs, p99 ${(reads[19_800] ?? 0).toFixed(0)} µs`,
);
note(
  `state ${JSON.stringify(await store.windowState(header))}; load ${loadavg()[0]?.toFixed(1) ?? "?"}; memory ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
);
await store.close();
rmSync(folder, { recursive: true });
