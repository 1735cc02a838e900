import { expect, test } from "vitest";
import { shareMs, wasHurried } from "./answer-chain.ts";

test("steps that all hang leave each later one a part of the time, and together take no more than there is", () => {
  for (let steps = 1; steps <= 5; steps++) {
    let elapsed = 0;
    const shares = Array.from({ length: steps }, (_, at) => {
      const share = shareMs({ timeoutMs: 100, elapsedMs: () => elapsed }, steps - 1 - at);
      elapsed += share;
      return share;
    });
    expect(elapsed).toBeCloseTo(100, 9);
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(2 - 1e-9);
    expect(shares[0]).toBe(Math.max(...shares));
  }
  expect(shareMs({ timeoutMs: 100, elapsedMs: () => 20 }, 1)).toBe(64);
});

test("a run that used up its step's part counts against its model, however many steps may follow", () => {
  for (let later = 0; later <= 5; later++) {
    // What a step has of a request whose body took a tenth of the time.
    const share = shareMs({ timeoutMs: 100, elapsedMs: () => 10 }, later);
    expect(wasHurried(share, 100, later)).toBe(false);
    // Its caller gave it a tenth of the charter's time.
    expect(wasHurried(shareMs({ timeoutMs: 10, elapsedMs: () => 1 }, later), 100, later)).toBe(true);
  }
});
