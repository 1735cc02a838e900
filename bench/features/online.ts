import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { OnlineStore } from "@portolan/features/contract";
import { asEpochMicros, createLogger, Secret } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { quantile } from "@portolan/numerics";
import { openRedisOnlineStore } from "@portolan/redis";
import { openRedisWorld } from "../../packages/redis/test/redis-world.ts";
import { RedisServer } from "../../test/services/redis-server.ts";
import { requireService } from "../../tools/services.ts";
import { mibOf, peakOf } from "../peak-memory.ts";

/**
 * What a request's features cost in the online store: 50 features from 5 views, as they are kept (one value per entity and view), and as one
 * packed value per entity would be read, for 1 and 100 entities; ttl and status on. Both in each round, in turn. Redis is measured where it is
 * installed.
 *
 * Usage: node bench/features/online.ts [entities] [rounds]
 */
const [entities = 100_000, rounds = 2000] = process.argv.slice(2, 4).map(Number);
const views = 5;
const features = 50;
const at = asEpochMicros(1_700_000_000_000_000);
const place = { organisationId: "org_bench", environment: "dev", digest: "sha256:00" };
const layouts = {
  "5 views": Array.from({ length: views }, (_, index) => viewOf(`v${index}@1`, features / views)),
  packed: [viewOf("packed@1", features)],
};

function viewOf(view: string, count: number) {
  const featureNames = Array.from({ length: count }, (_, index) => `${view.slice(0, -2)}_f${index}`);
  return { ...place, view, ttlMicros: 3_600_000_000, featureNames };
}

console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1) ?? "?"}; ${entities} entities`,
);
const folder = mkdtempSync(join(tmpdir(), "bench-online-"));
const embedded = openOnlineStore({ folder });
await measure("LMDB", embedded);
await embedded.close();
// The writer of the rows is in it, and what the system maps of the store's file.
console.log(`LMDB, this process at most: ${mibOf(peakOf(process.pid))} resident`);
rmSync(folder, { recursive: true });
const program = await requireService("redis");
if (program !== undefined) {
  await using server = await RedisServer.start(program);
  const url = `redis://127.0.0.1:${server.port}/0`;
  await using _ = await openRedisWorld(url);
  const log = createLogger({ name: "bench", level: "silent" });
  const store = openRedisOnlineStore({ url: new Secret(url), log, timeoutMs: 10_000 });
  await measure("Redis", store);
  console.log(`Redis, its server at most: ${mibOf(peakOf(server.pid))} resident`);
  await store.close();
}

async function measure(name: string, store: OnlineStore): Promise<void> {
  for (const header of Object.values(layouts).flat()) {
    const values = header.featureNames.map((_, index) => index / 7);
    const rows = Array.from({ length: entities }, (_, index) => ({ key: [`e${index}`], values }));
    await store.replace(header, at, rows);
  }
  for (const batch of [1, 100]) {
    const times = new Map<string, number[]>(Object.keys(layouts).map((layout) => [layout, []]));
    for (let round = 0; round < rounds + 200; round++)
      for (const [layout, headers] of Object.entries(layouts)) {
        const keys = Array.from({ length: batch }, () => [`e${Math.floor(Math.random() * entities)}`]);
        const questions = keys.flatMap((key) => headers.map((view) => ({ view, key })));
        const start = performance.now();
        const answers = await store.read(questions, at);
        const spent = performance.now() - start;
        if (answers.some(({ status }) => status !== "found")) throw new Error("an entity was not found");
        if (round >= 200) times.get(layout)?.push(spent * 1000);
      }
    for (const [layout, spent] of times) {
      const sorted = Float64Array.from(spent).toSorted();
      const [p50, p99] = [0.5, 0.99].map((p) => `${quantile(sorted, p).toFixed(1)} µs`);
      console.log(`${name}, ${batch} entities, ${layout}: p50 ${p50}, p99 ${p99}`);
    }
  }
}
