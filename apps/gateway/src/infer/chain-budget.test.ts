import fc from "fast-check";
import { expect, test } from "vitest";
import { answerBy, type StepKind, shareMs, wasHurried } from "./chain-budget.ts";

const chains = fc.array(fc.constantFrom<StepKind>("model", "local"), { maxLength: 12 });

/** What each step had, and when it began, where every model hangs until it is given up and no rule answers. */
function hangAll(timeoutMs: number, later: readonly StepKind[]) {
  let elapsed = 0;
  const parts = answerBy(later);
  const steps = (["model", ...later] as const).map((kind, at) => {
    const share = shareMs({ timeoutMs, elapsedMs: () => elapsed }, parts[at] ?? 0);
    const step = { kind, share, beganMs: elapsed };
    if (kind === "model") elapsed += share;
    return step;
  });
  return { steps, elapsed };
}

test("the parts of known chains", () => {
  const rounded = (later: StepKind[]) => answerBy(later).map((part) => Number(part.toFixed(3)));
  expect(rounded([])).toEqual([1]);
  expect(rounded(["local"])).toEqual([0.9, 1]);
  expect(rounded(["local", "local"])).toEqual([0.9, 0.9, 1]);
  expect(rounded(["model"])).toEqual([0.8, 1]);
  expect(rounded(["model", "local"])).toEqual([0.7, 0.9, 1]);
  expect(rounded(["local", "model"])).toEqual([0.7, 0.8, 1]);
  expect(rounded(["model", "model", "model", "local"])).toEqual([0.5, 0.633, 0.767, 0.9, 1]);
});

test("models that all hang take no more than the whole time, and leave every later step its part", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_600_000 }), chains, (timeoutMs, later) => {
      const { steps, elapsed } = hangAll(timeoutMs, later);
      const models = later.filter((kind) => kind === "model").length;
      const hasLocal = models < later.length;
      expect(elapsed).toBeLessThanOrEqual(timeoutMs * (1 + 1e-9));
      expect(steps[0]?.share).toBeGreaterThanOrEqual(timeoutMs * (0.5 - 1e-9));
      const least = Math.min(0.2, (hasLocal ? 0.4 : 0.5) / Math.max(1, models));
      for (const { kind, share, beganMs } of steps) {
        expect(beganMs).toBeLessThanOrEqual(timeoutMs * (1 + 1e-9));
        if (kind === "model") expect(share).toBeGreaterThanOrEqual(timeoutMs * (least - 1e-9));
      }
      // A rule or constant that ends the chain answers with a tenth of the time to spare.
      const last = steps.at(-1);
      if (last?.kind === "local") expect(last.beganMs).toBeLessThanOrEqual(timeoutMs * (0.9 + 1e-9));
    }),
  );
});

test("a step has to have answered no later than the next, the last by the whole time", () => {
  fc.assert(
    fc.property(chains, (later) => {
      const parts = answerBy(later);
      expect(parts).toHaveLength(later.length + 1);
      expect(parts.at(-1)).toBe(1);
      for (const [at, part] of parts.entries()) {
        expect(part).toBeGreaterThan(0);
        expect(part).toBeLessThanOrEqual((parts[at + 1] ?? 1) + 1e-12);
      }
    }),
  );
});

test("a step that fails at once leaves its time to the next", () => {
  const [, second = 0] = answerBy(["model", "local"]);
  expect(shareMs({ timeoutMs: 100, elapsedMs: () => 0 }, second)).toBe(90);
  expect(shareMs({ timeoutMs: 100, elapsedMs: () => 95 }, second)).toBeLessThanOrEqual(0);
});

test("a first step that used up its part counts against its model, however many may follow", () => {
  fc.assert(
    fc.property(chains, (later) => {
      const [first = 0] = answerBy(later);
      // What a step has of a request whose body took a tenth of the time.
      const share = shareMs({ timeoutMs: 100, elapsedMs: () => 10 }, first);
      expect(wasHurried(share, 100, first)).toBe(false);
      // Its caller gave it a tenth of the charter's time.
      expect(wasHurried(shareMs({ timeoutMs: 10, elapsedMs: () => 1 }, first), 100, first)).toBe(true);
    }),
  );
});
