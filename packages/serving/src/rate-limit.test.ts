import fc from "fast-check";
import { expect, test } from "vitest";
import { RateLimiter, rateLimitHeaders } from "./rate-limit.ts";

test("no window lets more through than burst plus rate times its length", () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      gaps,
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      (steps, ratePerSecond, burst) => {
        const limiter = new RateLimiter();
        const passed: number[] = [];
        let now = 1000;
        for (const gap of steps) {
          now += gap;
          if (limiter.take("c", { ratePerSecond, burst }, now).allowed) passed.push(now);
        }
        passed.forEach((start, index) => {
          const end = passed.at(-1) ?? start;
          expect(passed.length - index).toBeLessThanOrEqual(
            burst + ((end - start) / 1000) * ratePerSecond + 1e-6,
          );
        });
      },
    ),
  );
});

test("a refused client passes exactly after the time it was told to wait", () => {
  const limiter = new RateLimiter();
  const spec = { ratePerSecond: 2, burst: 2 };
  expect([0, 0, 0].map((at) => limiter.take("c", spec, 1000 + at).allowed)).toEqual([true, true, false]);
  const refused = limiter.take("c", spec, 1000);
  expect(refused.retryAfterMs).toBe(500);
  expect(limiter.take("c", spec, 1000 + refused.retryAfterMs - 1).allowed).toBe(false);
  expect(limiter.take("c", spec, 1000 + refused.retryAfterMs).allowed).toBe(true);
  expect(rateLimitHeaders(refused, spec)).toEqual({
    "ratelimit-policy": '"charter";q=2;w=1',
    ratelimit: '"charter";r=0;t=1',
    "retry-after": "1",
  });
});

test("clients do not share a limit, and idle ones cost nothing", () => {
  const limiter = new RateLimiter(10);
  const spec = { ratePerSecond: 1, burst: 1 };
  for (let i = 0; i < 100; i++) expect(limiter.take(`c${i}`, spec, 1000).allowed).toBe(true);
});
