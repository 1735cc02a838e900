import { expect, test } from "vitest";
import type { Bucket } from "./bucket.ts";
import { LayeredLimit } from "./layered-limit.ts";
import { NewsQueue } from "./news-queue.ts";
import { RateLimiter } from "./rate-limiter.ts";

/** Tokens: 1,000 a second, 60,000 at once, a lease of 100 ms. */
function counted(): { limiter: RateLimiter; bucket: Bucket; limit: LayeredLimit; queue: NewsQueue } {
  const limiter = new RateLimiter();
  limiter.join(0, 100, () => undefined);
  const bucket = limiter.bucket("c", { ratePerSecond: 1000, burst: 60_000 });
  const limit = new LayeredLimit([{ policy: "client", kind: "hard", bucket }]);
  return { limiter, bucket, limit, queue: new NewsQueue() };
}

/** The others have heard of all units that were taken. */
function heard(bucket: Bucket, atMs = 0): void {
  bucket.settleShared(bucket.arrivalMs, 0, bucket.unshared, atMs);
}

const patient = { maxWaitMs: 0, patienceMs: 10_000 };

test("a request within the limit is not refused by a spent lease: it passes when the others have heard", async () => {
  const { bucket, limit, queue } = counted();
  expect(limit.take(0, 1100)).toBe(0);
  expect([limit.take(0, 1100) < 0, limit.needsNews]).toEqual([true, true]);
  const waiting = queue.wait(limit, { cost: 1100, ...patient }, 0);
  queue.retry(0);
  expect(queue.size, "nobody has heard yet").toBe(1);
  heard(bucket);
  queue.retry(0);
  expect(await waiting).toMatchObject({ waitMs: 0 });
  expect(bucket.remaining(0)).toBe(60_000 - 2200);
});

test("what the limit itself refuses is refused at once, and not as a matter of leases", () => {
  const { bucket, limit } = counted();
  limit.take(0, 60_000);
  heard(bucket);
  expect(limit.take(0, 100)).toBe(-100);
  expect(limit.needsNews).toBe(false);
});

test("units that were given back run ahead of nobody: the next dear request passes", () => {
  const { bucket, limit } = counted();
  limit.take(0, 1100);
  heard(bucket);
  limit.settle(0, 1100, 40);
  expect(bucket.unshared).toBe(-1060);
  expect(limit.take(0, 5000)).toBe(0);
});

test("nobody is refused by news that are older than a lease: the others may have given back what they took", async () => {
  const { bucket, limit, queue } = counted();
  limit.take(0, 60_000);
  heard(bucket);
  expect([limit.take(100, 5000) < 0, limit.needsNews]).toEqual([true, false]);
  expect([limit.take(101, 5000) < 0, limit.needsNews]).toEqual([true, true]);
  const waiting = queue.wait(limit, { cost: 5000, ...patient }, 101);
  bucket.settleShared(20_000, 0, 0, 110);
  queue.retry(110);
  expect(await waiting).toMatchObject({ waitMs: 0 });
});

test("first come, first served: a dear request is not overtaken by cheap ones, whether they wait or come later", async () => {
  const { bucket, limit, queue } = counted();
  limit.take(0, 50);
  expect(limit.take(0, 1100)).toBeLessThan(0);
  const order: string[] = [];
  const dear = queue.wait(limit, { cost: 1100, ...patient }, 0).then(() => order.push("dear"));
  expect(limit.take(0, 10), "it would fit into the lease").toBeLessThan(0);
  const cheap = queue.wait(limit, { cost: 10, ...patient }, 0).then(() => order.push("cheap"));
  heard(bucket);
  queue.retry(0);
  await dear;
  expect([order, queue.size]).toEqual([["dear"], 1]);
  heard(bucket);
  queue.retry(0);
  await cheap;
  expect(order).toEqual(["dear", "cheap"]);
});

test("who waits longer than an answer is of use to it is refused, takes nothing, and blocks nobody", async () => {
  const { bucket, limit, queue } = counted();
  limit.take(0, 1100);
  const waiting = queue.wait(limit, { cost: 1100, maxWaitMs: 0, patienceMs: 10 }, 0);
  expect((await waiting).waitMs).toBeLessThan(0);
  heard(bucket);
  queue.retry(0);
  expect(bucket.remaining(0)).toBe(60_000 - 1100);
  expect(limit.take(0, 10)).toBe(0);
});

test("when the gateways part, whoever waits gets what this one's part allows", async () => {
  const { limiter, limit, queue } = counted();
  limit.take(0, 50_000);
  const first = queue.wait(limit, { cost: 2000, ...patient }, 0);
  const second = queue.wait(limit, { cost: 9000, ...patient }, 0);
  limiter.part(4);
  queue.retry(0);
  expect((await first).waitMs, "8,000 of the 10,000 that are left").toBe(0);
  expect((await second).waitMs, "four times 9,000 at 1,000 a second").toBeLessThan(-30_000);
  expect(queue.size).toBe(0);
});

test("a soft limit whose lease is spent waits as well, and is not taken for excess", async () => {
  const { bucket, queue } = counted();
  const limit = new LayeredLimit([{ policy: "endpoint", kind: "soft", bucket }]);
  limit.take(0, 200);
  limit.take(0, 1);
  expect([limit.needsNews, limit.isExcess]).toEqual([true, false]);
  const waiting = queue.wait(limit, { cost: 1, ...patient }, 0);
  heard(bucket);
  queue.retry(0);
  expect(await waiting).toMatchObject({ waitMs: 0, isExcess: false });
});
