import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LayeredLimit } from "./layered-limit.ts";
import { callerLimit, longestTurnMs } from "./limit-layers.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { reservationOf, type TokenEstimate, tokenCost } from "./token-budget.ts";

const holder = { organisationId: "o", environment: "dev", endpoint: "e", tenantId: "t", principalId: "p" };

// The clauses L1 to L10 are those of docs/spec/limits.md.
describe("one bucket (L3, L9)", () => {
  test("no window lets more through than burst plus rate times its length, whatever each request costs", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 8 })), {
      minLength: 1,
      maxLength: 150,
    });
    const rates = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(steps, rates, fc.integer({ min: 1, max: 20 }), (taken, ratePerSecond, burst) => {
        const bucket = new RateLimiter().bucket("c", { ratePerSecond, burst });
        const passed: { readonly at: number; readonly cost: number }[] = [];
        let now = 1000;
        for (const [gap, cost] of taken) {
          now += gap;
          if (bucket.take(now, cost) === 0) passed.push({ at: now, cost });
        }
        // A request dearer than the burst passes a full bucket: that much more, and no more, is ever let through.
        const dearest = Math.max(burst, ...passed.map(({ cost }) => cost));
        passed.forEach((start, index) => {
          let units = 0;
          for (const { at, cost } of passed.slice(index)) {
            units += cost;
            expect(units).toBeLessThanOrEqual(dearest + ((at - start.at) / 1000) * ratePerSecond + 1e-6);
          }
        });
      }),
    );
  });

  test("a refused client passes exactly after the time it was told to wait", () => {
    const bucket = new RateLimiter().bucket("c", { ratePerSecond: 2, burst: 2 });
    expect([bucket.take(1000), bucket.take(1000), bucket.take(1000)]).toEqual([0, 0, -500]);
    expect(bucket.take(1499)).toBe(-1);
    expect(bucket.take(1500)).toBe(0);
  });

  test("who would wait gets turns one after the other, and nobody waits longer than it said", () => {
    const bucket = new RateLimiter().bucket("c", { ratePerSecond: 10, burst: 1 });
    expect([0, 0, 0, 0].map((at) => bucket.take(at, 1, 250))).toEqual([0, 100, 200, -300]);
  });

  test("a gateway among four that count apart takes a quarter", () => {
    const one = new RateLimiter({ gateways: 4 }).bucket("c", { ratePerSecond: 100, burst: 40 });
    let admitted = 0;
    for (let now = 0; now < 10_000; now += 5) if (one.take(now) === 0) admitted++;
    expect(admitted).toBeGreaterThanOrEqual(250 + 9);
    expect(admitted).toBeLessThanOrEqual(250 + 10);
  });

  test("a new spec holds for handles that are out already, and what was taken stays taken", () => {
    const limiter = new RateLimiter();
    const kept = limiter.bucket("c", { ratePerSecond: 1, burst: 1 });
    expect([kept.take(0), kept.take(0)]).toEqual([0, -1000]);
    limiter.bucket("c", { ratePerSecond: 1, burst: 3 });
    expect([kept.take(0), kept.take(0), kept.take(0)]).toEqual([0, 0, -1000]);
  });
});

describe("many holders (L8)", () => {
  test("clients do not share a limit, and idle ones are forgotten", () => {
    const limiter = new RateLimiter();
    const spec = { ratePerSecond: 1, burst: 1 };
    for (let i = 0; i < 100; i++) expect(limiter.bucket(`c${i}`, spec).take(1000)).toBe(0);
    expect(limiter.size).toBe(100);
    limiter.sweep(1500);
    expect(limiter.size).toBe(100);
    limiter.sweep(2600);
    expect(limiter.size).toBe(0);
  });

  test("a handle that outlived its bucket goes on with the one of today: one key never has two limits", () => {
    const limiter = new RateLimiter();
    const spec = { ratePerSecond: 1, burst: 1 };
    const old = limiter.bucket("c", spec);
    old.take(0);
    limiter.sweep(5000);
    const next = limiter.bucket("c", spec);
    expect(next).not.toBe(old);
    expect([next.take(5000), old.take(5000), next.take(5000)]).toEqual([0, -1000, -1000]);
    limiter.sweep(10_000);
    expect([old.take(10_000), next.take(10_000), limiter.bucket("c", spec).take(10_000)]).toEqual([
      0, -1000, -1000,
    ]);
  });

  test("a flood of new names neither grows memory nor resets anybody's limit", () => {
    const limiter = new RateLimiter({ maxBuckets: 50 });
    const spec = { ratePerSecond: 0.1, burst: 1 };
    const regulars = Array.from({ length: 50 }, (_, i) => limiter.bucket(`regular${i}`, spec));
    for (const regular of regulars) expect(regular.take(0)).toBe(0);
    let strangers = 0;
    for (let i = 0; i < 20_000; i++) if (limiter.bucket(`flood${i}`, spec).take(i / 100) === 0) strangers++;
    expect(limiter.size).toBeLessThanOrEqual(50 + 256);
    expect(strangers).toBeLessThanOrEqual(256);
    for (const regular of regulars) expect(regular.take(300)).toBeLessThan(0);
  });
});

describe("layers (L1, L4, L6)", () => {
  const limits = { ratePerSecond: 10, burst: 10, timeoutMs: 400, bodyBytes: 1 };

  test("what one layer refuses costs nothing at the others", () => {
    const limiter = new RateLimiter();
    const shares = { ...limits, clientShare: 0.2 };
    const first = callerLimit(limiter, shares, holder);
    expect(Array.from({ length: 9 }, () => first.take(0)).filter((waitMs) => waitMs === 0)).toHaveLength(2);
    expect(first.tightest?.policy).toBe("client");
    expect(first.layers.at(-1)?.bucket.remaining(0)).toBe(8);
  });

  test("beyond a shed ceiling requests pass as excess, and those within it stay as many as it says", () => {
    const limiter = new RateLimiter();
    const excess = Array.from({ length: 40 }, (_, i) => {
      const own = callerLimit(limiter, { ...limits, beyond: "shed" }, { ...holder, principalId: `p${i}` });
      expect(own.take(0)).toBe(0);
      return own.isExcess;
    });
    expect(excess.filter((isExcess) => !isExcess)).toHaveLength(10);
  });

  test("a queued request waits at most half the charter's p99", () => {
    expect(longestTurnMs({ ...limits, beyond: "queue" })).toBe(100);
    expect(longestTurnMs(limits)).toBe(0);
  });
});

describe("token budgets (L10)", () => {
  const budget = () =>
    new LayeredLimit([
      {
        policy: "client",
        kind: "hard",
        bucket: new RateLimiter().bucket("c", { ratePerSecond: 100, burst: 1000 }),
      },
    ]);

  const reserve = (limit: LayeredLimit, nowMs: number, estimate: TokenEstimate) => {
    const cost = tokenCost(estimate);
    const taken = limit.taken(limit.take(nowMs, cost));
    return { ...taken, reservation: reservationOf(limit, cost, taken) };
  };

  test("what was not used is given back, once", () => {
    const limit = budget();
    const { waitMs, reservation } = reserve(limit, 0, { promptTokens: 100, maxTokens: 900 });
    expect([waitMs, limit.layers[0]?.bucket.remaining(0)]).toEqual([0, 0]);
    reservation.settle(0, 150);
    reservation.settle(0, 999_999);
    expect(limit.layers[0]?.bucket.remaining(0)).toBe(850);
  });

  test("what was used beyond the estimate is paid off before the next request passes", () => {
    const limit = budget();
    const { waitMs, reservation } = reserve(limit, 0, { promptTokens: 0, maxTokens: 1000 });
    expect(waitMs).toBe(0);
    reservation.settle(0, 1500);
    expect(reserve(limit, 0, { promptTokens: 1, maxTokens: 0 }).waitMs).toBe(-5010);
    expect(reserve(limit, 5010, { promptTokens: 1, maxTokens: 0 }).waitMs).toBe(0);
  });

  test("a request without a word costs a token all the same", () => {
    expect(tokenCost({ promptTokens: 0, maxTokens: 0 })).toBe(1);
  });
});
