import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { CircuitBreaker, defaultBreaker } from "./circuit-breaker.ts";
import { RetryBudget } from "./retry-budget.ts";

describe("the circuit breaker", () => {
  test("opens at the fifth failure in a row, and closes after three good probes", () => {
    const breaker = new CircuitBreaker();
    for (let i = 0; i < 4; i++) breaker.failed(i);
    expect(breaker.state).toBe("closed");
    breaker.failed(4);
    expect([breaker.state, breaker.reason]).toEqual(["open", "consecutive_failures"]);
    expect(breaker.admit(1003)).toBe(false);
    expect([breaker.admit(1004), breaker.admit(1004), breaker.admit(1004), breaker.admit(1004)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    for (let i = 0; i < 3; i++) breaker.succeeded(1010, 1);
    expect(breaker.state).toBe("closed");
    expect(breaker.admit(1011)).toBe(true);
  });

  test("one failed probe opens it for twice as long, up to the longest time", () => {
    const breaker = new CircuitBreaker();
    for (let i = 0; i < 5; i++) breaker.failed(0);
    let now = 0;
    for (const openMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      expect(breaker.admit(now + openMs - 1)).toBe(false);
      now += openMs;
      expect(breaker.admit(now)).toBe(true);
      breaker.failed(now);
      expect(breaker.reason).toBe("probe_failed");
    }
  });

  test("a success between failures counts, yet half of the answers failing opens it all the same", () => {
    const breaker = new CircuitBreaker();
    for (let i = 0; i < 9; i++) {
      breaker.failed(i);
      breaker.succeeded(i, 1);
    }
    expect(breaker.state).toBe("closed");
    breaker.failed(10);
    breaker.failed(11);
    expect([breaker.state, breaker.reason]).toEqual(["open", "failure_rate"]);
  });

  test("answers that come too late to be worth anything open it as well", () => {
    const breaker = new CircuitBreaker({ ...defaultBreaker, slowMs: 50 });
    for (let i = 0; i < 40 && breaker.state === "closed"; i++) breaker.succeeded(i, i % 2 === 0 ? 60 : 10);
    expect(breaker.reason).toBe("latency");
  });

  test("what is older than the window is forgotten", () => {
    const opens = (gapMs: number): boolean => {
      const breaker = new CircuitBreaker();
      for (let i = 0; i < 100 && breaker.state === "closed"; i++) {
        breaker.failed(i * gapMs);
        breaker.succeeded(i * gapMs, 1);
      }
      return breaker.state !== "closed";
    };
    // Half of the answers fail in both: 40 of them within ten seconds, or 18.
    expect([opens(500), opens(1200)]).toEqual([true, false]);
  });

  test("a probe whose caller was at fault is given to somebody else", () => {
    const breaker = new CircuitBreaker({ ...defaultBreaker, probes: 1 });
    for (let i = 0; i < 5; i++) breaker.failed(0);
    expect([breaker.admit(1000), breaker.admit(1000)]).toEqual([true, false]);
    expect(breaker.wouldAdmit(1000)).toBe(false);
    breaker.abstained();
    expect([breaker.wouldAdmit(1000), breaker.admit(1000)]).toEqual([true, true]);
  });

  test("whatever happens, an open circuit lets nobody through before its time, and a closed one everybody", () => {
    const step = fc.record({
      kind: fc.constantFrom("ok" as const, "slow" as const, "fail" as const),
      gapMs: fc.integer({ min: 0, max: 3000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const breaker = new CircuitBreaker();
        let now = 0;
        for (const { kind, gapMs } of steps) {
          now += gapMs;
          const before = breaker.state;
          const wouldAdmit = breaker.wouldAdmit(now);
          const admitted = breaker.admit(now);
          expect(wouldAdmit).toBe(admitted);
          if (before === "closed") expect(admitted).toBe(true);
          if (!admitted) {
            expect(breaker.state).not.toBe("closed");
            continue;
          }
          if (kind === "fail") breaker.failed(now);
          else breaker.succeeded(now, kind === "slow" ? 5000 : 1);
        }
      }),
    );
  });
});

/** One server that needs `serviceMs` for each request, clients that come at `perSecond` whatever happens. */
function overload(limit: AdaptiveLimit, perSecond: number, serviceMs: number, seconds: number) {
  const queue: number[] = [];
  let [freeAt, shed, done, longest] = [0, 0, 0, 0];
  for (let at = 0; at < seconds * 1000; at += 1000 / perSecond) {
    while (queue.length > 0 && freeAt <= at) {
      const arrived = queue.shift() ?? 0;
      const start = Math.max(freeAt, arrived);
      freeAt = start + serviceMs;
      limit.release(start - arrived, freeAt);
      if (at > (seconds * 1000) / 2) longest = Math.max(longest, start - arrived);
      done++;
    }
    if (limit.acquire("normal")) queue.push(at);
    else shed++;
  }
  return { shed, done, longest };
}

describe("the adaptive limit", () => {
  test("under three times the capacity the waits settle near the target, and the server stays busy", () => {
    const limit = new AdaptiveLimit({ most: 1000, targetWaitMs: 20 });
    const { done, longest } = overload(limit, 3000, 1, 20);
    expect(longest).toBeLessThan(60);
    expect(done).toBeGreaterThan(0.95 * 20_000);
  });

  test("below the capacity nobody is turned away", () => {
    const limit = new AdaptiveLimit({ most: 1000, targetWaitMs: 20 });
    expect(overload(limit, 800, 1, 10).shed).toBe(0);
  });

  test("asking for room takes none, and keeps the places of the lower priorities", () => {
    const limit = new AdaptiveLimit({ most: 4, targetWaitMs: 20 });
    for (let i = 0; i < 3; i++) expect(limit.acquire("normal")).toBe(true);
    expect([limit.hasRoom("low"), limit.hasRoom("normal"), limit.hasRoom("high"), limit.inFlight]).toEqual([
      false,
      true,
      true,
      3,
    ]);
    expect(limit.acquire("high")).toBe(true);
    expect(limit.hasRoom("high")).toBe(false);
  });

  test("who has half of its time left finds half of the room", () => {
    const limit = new AdaptiveLimit({ most: 100, targetWaitMs: 20 });
    for (let i = 0; i < 40; i++) limit.acquire("normal");
    expect([limit.hasRoom("normal", 0.5), limit.hasRoom("normal", 0.4)]).toEqual([true, false]);
    for (let i = 0; i < 10; i++) limit.acquire("normal");
    expect([limit.hasRoom("normal", 0.5), limit.hasRoom("normal")]).toEqual([false, true]);
  });

  test("a wait that is as long with a handful under way is no queue: all may come again", () => {
    const limit = new AdaptiveLimit({ most: 500, targetWaitMs: 5 });
    let [open, shut] = [0, 0];
    for (let at = 0; at < 60_000; at += 100) {
      if (limit.hasRoom("normal", 1) && limit.limit >= 100) open++;
      else shut++;
      limit.acquire("normal");
      // Whatever is under way, everything waits a tenth of a second.
      limit.release(100, at);
    }
    expect(open / (open + shut)).toBeGreaterThan(0.15);
    // Down once and for all it would be a handful in each interval.
    expect(open).toBeGreaterThan(60);
  });

  test("after an overload the room comes back", () => {
    const limit = new AdaptiveLimit({ most: 500, targetWaitMs: 5 });
    overload(limit, 3000, 1, 5);
    const during = limit.limit;
    while (limit.inFlight > 0) limit.release(0, 6000);
    for (let at = 6000; at < 30_000; at++) {
      for (let i = 0; i < 300; i++) if (!limit.acquire("normal")) break;
      while (limit.inFlight > 0) limit.release(0, at);
    }
    expect(during).toBeLessThan(100);
    expect(limit.limit).toBeGreaterThan(300);
  });

  test("low is turned away first, high last", () => {
    const limit = new AdaptiveLimit({ most: 100, targetWaitMs: 5 });
    const fill = (priority: "low" | "normal" | "high"): number => {
      let count = 0;
      while (limit.acquire(priority)) count++;
      return count;
    };
    expect([fill("low"), fill("normal"), fill("high")]).toEqual([75, 20, 5]);
  });
});

describe("the retry budget", () => {
  test("a quiet endpoint may retry three times in ten seconds, a busy one a fifth of its requests", () => {
    const budget = new RetryBudget();
    expect([1, 2, 3, 4].map((at) => budget.spend(at))).toEqual([true, true, true, false]);
    expect(budget.spend(10_000)).toBe(true);
    const busy = new RetryBudget();
    let retried = 0;
    for (let i = 0; i < 1000; i++) {
      busy.earn();
      if (busy.spend(1)) retried++;
    }
    expect(retried).toBeLessThanOrEqual(203);
    expect(retried).toBeGreaterThan(190);
  });

  test("a charter may allow more, or none at all", () => {
    const none = new RetryBudget(0);
    const half = new RetryBudget(0.5);
    let retried = 0;
    for (let i = 0; i < 1000; i++) {
      none.earn();
      half.earn();
      if (half.spend(1)) retried++;
      expect(none.spend(20_000)).toBe(false);
    }
    expect(retried).toBeGreaterThan(490);
    expect(retried).toBeLessThanOrEqual(503);
  });
});
