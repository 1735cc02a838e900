import { compareMoney, formatMoney, money } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { assert, double, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { type ArrangementQuestion, arrange, arrangements, type TierName, tierNames } from "./arrangements.ts";
import { type FeedQuestion, feed } from "./feed.ts";

const mb = 1e6;
const gb = 1e9;

/** Eight cards that take in 200 MB/s each, of a terabyte in an object store of 1 GB/s. */
const slow: FeedQuestion = {
  gpus: 8,
  bytesPerSecondPerGpu: 200 * mb,
  readBytes: 8 * mb,
  datasetBytes: 1000 * gb,
  epochs: 10,
  source: { bytesPerSecond: gb, readsPerSecond: 5500 },
};
const nvme = { bytesPerSecond: 6 * gb, readsPerSecond: 500_000 };

describe("feeding cards", () => {
  test("a source that gives less than is needed leaves cards idle, by hand", () => {
    // 1.6 GB/s are needed, 1 comes: 1,000 s an epoch in the place of 625.
    expect(feed(slow)).toMatchObject({
      neededBytesPerSecond: 1.6 * gb,
      fedEpochSeconds: 625,
      laterEpochSeconds: 1000,
      seconds: 10_000,
      idleShare: 0.375,
      idleGpuHours: (8 * 3750) / 3600,
      waitsFor: "source",
    });
  });

  test("a cache feeds them after the first epoch, from the hit on that is said", () => {
    const least = feed({ ...slow, cache: { ...nvme, hit: 0 } }).hitThatFeeds ?? Number.NaN;
    expect(least).toBeCloseTo(0.375, 12);
    const fed = feed({ ...slow, cache: { ...nvme, hit: least } });
    expect(fed).toMatchObject({ laterEpochSeconds: 625, firstEpochSeconds: 1000, waitsFor: "nothing" });
    expect(fed.idleShare).toBeCloseTo(375 / (1000 + 9 * 625), 12);
    expect(feed({ ...slow, cache: { ...nvme, hit: least - 0.01 } }).waitsFor).toBe("source");
    const tooSlow = feed({ ...slow, cache: { bytesPerSecond: 0.5 * gb, readsPerSecond: 1e6, hit: 0.9 } });
    expect(tooSlow.waitsFor).toBe("cache");
    expect(tooSlow).not.toHaveProperty("hitThatFeeds");
  });

  test("small reads are bound by how many begin, and not by how much flows", () => {
    const small = feed({ ...slow, readBytes: 100_000 });
    expect(small.sourceBytesPerSecond).toBe(550 * mb);
    expect(small.idleShare).toBeCloseTo(1 - 550 / 1600, 12);
  });

  /** Reads one after the other, into a queue that is so deep, from two places that each give one at a time; cards take them in order. */
  function played(question: FeedQuestion, deep: number): number {
    const { gpus, bytesPerSecondPerGpu, readBytes, datasetBytes, epochs, source, cache } = question;
    const random = seededRandom(3);
    const reads = Math.round(datasetBytes / readBytes);
    const each = {
      source: readBytes / Math.min(source.bytesPerSecond, source.readsPerSecond * readBytes),
      cache: cache ? readBytes / Math.min(cache.bytesPerSecond, cache.readsPerSecond * readBytes) : 0,
      cards: readBytes / (gpus * bytesPerSecondPerGpu),
    };
    const free = { source: 0, cache: 0 };
    const taken: number[] = [];
    let now = 0;
    for (let read = 0; read < reads * epochs; read++) {
      const from = read >= reads && random() < (cache?.hit ?? 0) ? "cache" : "source";
      const begins = Math.max(free[from], taken[read - deep] ?? 0);
      free[from] = begins + each[from];
      now = Math.max(now, free[from]) + each.cards;
      taken.push(now);
    }
    return now;
  }

  test("takes as long as reads that are played through one after the other, within 2 %", () => {
    const small = { ...slow, datasetBytes: 200 * gb, epochs: 4 };
    for (const question of [
      small,
      { ...small, readBytes: 2 * mb, source: { bytesPerSecond: 5 * gb, readsPerSecond: 300 } },
      { ...small, cache: { ...nvme, hit: 0.2 } },
      { ...small, cache: { ...nvme, hit: 0.7 } },
      { ...small, cache: { bytesPerSecond: 0.9 * gb, readsPerSecond: 1e6, hit: 0.8 } },
      { ...small, source: { bytesPerSecond: 9 * gb, readsPerSecond: 1e6 } },
    ]) {
      const ratio = played(question, 300) / feed(question).seconds;
      expect(Math.abs(ratio - 1), JSON.stringify(question)).toBeLessThan(0.02);
    }
  });
});

describe("arrangements", () => {
  const usd = (amount: string) => money(amount, "USD");
  const { source: _, ...work } = slow;
  const question: ArrangementQuestion = {
    ...work,
    tiers: {
      nvme: { ...nvme, gbMonth: usd("0.08") },
      hdd: { bytesPerSecond: 0.2 * gb, readsPerSecond: 120, gbMonth: usd("0.045") },
      object: { ...slow.source, gbMonth: usd("0.02") },
    },
    gpuHour: usd("4"),
    runsPerMonth: 1,
  };

  test("waiting is paid for, by hand", () => {
    const { storage, gpus, idle, total } = arrange(question, "object", 0);
    // 1,000 GB at 0.02; 10,000 s of eight cards at 4, of which 37.5 % are waited.
    expect([storage, gpus, idle, total].map(formatMoney)).toEqual([
      "20 USD",
      "88.888888 USD",
      "33.333332 USD",
      "108.888888 USD",
    ]);
  });

  test("a cache is as large as feeds the cards where they cost more than it does, and absent where they do not", () => {
    const cached = (more: Partial<ArrangementQuestion>): number | undefined =>
      arrangements({ ...question, ...more }).find(({ source }) => source === "object")?.cached;
    expect(cached({ runsPerMonth: 20 })).toBeCloseTo(0.375, 12);
    expect(cached({ epochs: 1 })).toBe(0);
    // A thirtieth of the hour's price: 30 GB of NVMe for an hour less.
    expect(cached({ gpuHour: usd("0.1") })).toBe(0);
  });

  test("the size of the cache is as cheap as the best of a thousand, the order is by cost, and idle time is part of it", () => {
    const some = record({
      gpus: integer({ min: 1, max: 64 }),
      rate: double({ min: 1, max: 2000, noNaN: true }),
      read: double({ min: 0.01, max: 100, noNaN: true }),
      data: integer({ min: 1, max: 100_000 }),
      epochs: integer({ min: 1, max: 50 }),
      fast: double({ min: 0.1, max: 20, noNaN: true }),
      object: double({ min: 0.05, max: 10, noNaN: true }),
      cents: integer({ min: 1, max: 900 }),
      runs: integer({ min: 1, max: 30 }),
    });
    assert(
      property(some, ({ gpus, rate, read, data, epochs, fast, object, cents, runs }) => {
        const drawn: ArrangementQuestion = {
          ...question,
          gpus,
          bytesPerSecondPerGpu: rate * mb,
          readBytes: read * mb,
          datasetBytes: data * gb,
          epochs,
          gpuHour: money((cents / 100).toFixed(2), "USD"),
          runsPerMonth: runs,
          tiers: {
            ...question.tiers,
            nvme: { ...question.tiers.nvme, bytesPerSecond: fast * gb },
            object: { ...question.tiers.object, bytesPerSecond: object * gb },
          },
        };
        const found = arrangements(drawn);
        expect(found.map(({ source }) => source).toSorted()).toEqual([...tierNames].toSorted());
        found.reduce((before, one) => {
          expect(compareMoney(before.total, one.total)).toBeLessThanOrEqual(0);
          return one;
        });
        for (const source of ["object", "hdd"] as const satisfies readonly TierName[]) {
          const best = found.find((one) => one.source === source);
          for (let step = 0; step <= 1000; step++) {
            const other = arrange(drawn, source, step / 1000);
            // Hours are rounded to millionths.
            expect(Number((best?.total.nanos ?? 0n) - other.total.nanos)).toBeLessThan(1e5);
          }
        }
        for (const { idle, gpus: all, feed: fed } of found) {
          expect(compareMoney(idle, all)).toBeLessThanOrEqual(0);
          expect(fed.idleShare).toBeGreaterThanOrEqual(0);
          expect(fed.idleShare).toBeLessThan(1);
        }
      }),
      { numRuns: 30 },
    );
  });
});
