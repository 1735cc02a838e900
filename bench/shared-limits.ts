import { createLogger, Secret } from "@portolan/kernel";
import { createRedisCounts } from "@portolan/redis";

/**
 * What counting together costs: round trips to a Redis or Valkey, one after the other, with 1, 3 (one strict request) and 256 buckets.
 *
 * Usage: node bench/shared-limits.ts <redis url> [seconds per round]
 */
const url = new Secret(process.argv[2] ?? "redis://127.0.0.1:6379");
const seconds = Number(process.argv[3] ?? 3);
const counts = createRedisCounts({
  url,
  member: "bench",
  log: createLogger({ name: "bench", level: "silent" }),
});
// The connection comes up by itself; until then calls reject.
for (let tries = 0; tries < 100; tries++) {
  if (
    await counts.add([]).then(
      () => true,
      () => false,
    )
  )
    break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}

for (const size of [1, 3, 256]) {
  const buckets = Array.from({ length: size }, (_, i) => ({
    key: `bench/${i}`,
    costMicros: 1,
    toleranceMicros: 1_000_000,
    knownMicros: 0,
    isSoft: false,
  }));
  const micros: number[] = [];
  const before = process.cpuUsage();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const start = performance.now();
    await counts.take(buckets, 0);
    micros.push((performance.now() - start) * 1000);
  }
  const { user, system } = process.cpuUsage(before);
  micros.sort((a, b) => a - b);
  const at = (q: number): string => (micros[Math.floor(micros.length * q)] ?? Number.NaN).toFixed(0);
  const cpu = ((user + system) / micros.length).toFixed(0);
  process.stdout.write(
    `${size} buckets: p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, ${cpu} µs of our processor time each\n`,
  );
}
await counts.close();
