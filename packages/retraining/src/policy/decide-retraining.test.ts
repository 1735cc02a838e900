import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RetrainingTerms } from "../contract.ts";
import { decideRetraining, type RetrainingStanding } from "./decide-retraining.ts";

const hourMicros = 3_600_000_000;
const terms: RetrainingTerms = {
  source: "charter",
  isPaused: false,
  onDrift: "with_harm",
  accuracy: { metric: "roc_auc", kind: "floor", open: 0.7, close: 0.72, isTrigger: true },
  approval: "team_lead",
  windows: { of: 3, least: 2 },
  coolDownMs: 24 * 3_600_000,
  mostRuns: 4,
  periodMs: 30 * 24 * 3_600_000,
  heldOutShare: 0.2,
};
const calm: RetrainingStanding = {
  accuracy: { isOpen: false, isWeak: false },
  isDrifting: false,
  hasConceptDrift: false,
  championSince: 0,
  starts: [],
};
const now = 1000 * 24 * hourMicros;

const arbitraryTerms = fc.record({
  onDrift: fc.constantFrom("never", "with_harm", "alone" as const),
  isTrigger: fc.boolean(),
  everyMs: fc.option(fc.integer({ min: 1, max: 60 * 24 * 3_600_000 }), { nil: undefined }),
  coolDownMs: fc.integer({ min: 0, max: 10 * 24 * 3_600_000 }),
  mostRuns: fc.integer({ min: 0, max: 5 }),
  isPaused: fc.boolean(),
});
const past = fc.integer({ min: 0, max: now });
const arbitraryStanding = fc.record({
  accuracy: fc.record({ isOpen: fc.boolean(), isWeak: fc.boolean() }),
  isDrifting: fc.boolean(),
  hasConceptDrift: fc.boolean(),
  championSince: past,
  starts: fc.array(past, { maxLength: 6 }),
  lastEndedAt: fc.option(past, { nil: undefined }),
  running: fc.option(fc.constant("rtr_1"), { nil: undefined }),
});
function termsWith({
  isTrigger,
  everyMs,
  ...over
}: typeof arbitraryTerms extends fc.Arbitrary<infer Value> ? Value : never): RetrainingTerms {
  const accuracy = { metric: "roc_auc", kind: "floor", open: 0.7, close: 0.72, isTrigger } as const;
  return { ...terms, ...over, accuracy, ...(everyMs === undefined ? {} : { everyMs }) };
}

describe("when a model is trained again", () => {
  test("concept drift is evidence of harm, and starts one only where somebody said so", () => {
    const found = { ...calm, hasConceptDrift: true };
    expect(decideRetraining(terms, found, now)).toEqual({ kind: "nothing" });
    const asked = { ...terms, onConceptDrift: true };
    expect(decideRetraining(asked, found, now)).toEqual({ kind: "start", trigger: "concept_drift" });
    expect(decideRetraining(asked, calm, now)).toEqual({ kind: "nothing" });
  });

  test("drift without evidence of harm starts nothing, unless the charter says so, whatever else is the case", () => {
    fc.assert(
      fc.property(arbitraryTerms, arbitraryStanding, (over, standing) => {
        const unharmed = { ...standing, hasConceptDrift: false, accuracy: { isOpen: false, isWeak: false } };
        const { everyMs: _, ...unscheduled } = termsWith(over);
        const decision = decideRetraining(unscheduled, unharmed, now);
        if (unscheduled.onDrift === "alone" && unharmed.isDrifting) expect(decision.kind).not.toBe("nothing");
        else expect(decision).toEqual({ kind: "nothing" });
      }),
    );
  });

  test("nothing starts while one is under way, within the cool-down, beyond the allowed number, or where it is paused", () => {
    fc.assert(
      fc.property(arbitraryTerms, arbitraryStanding, (over, standing) => {
        const held = termsWith(over);
        if (decideRetraining(held, standing, now).kind !== "start") return;
        expect(standing.running).toBeUndefined();
        expect(held.isPaused).toBe(false);
        if (standing.lastEndedAt !== undefined)
          expect(now - standing.lastEndedAt).toBeGreaterThanOrEqual(held.coolDownMs * 1000);
        const within = standing.starts.filter((start) => now - start < held.periodMs * 1000);
        expect(within.length).toBeLessThan(held.mostRuns);
      }),
    );
  });

  test("over time, whatever is found, no more start than are allowed, and never before the cool-down is over", () => {
    const days = fc.array(
      fc.record({
        accuracy: fc.record({ isOpen: fc.boolean(), isWeak: fc.boolean() }),
        isDrifting: fc.boolean(),
      }),
      { minLength: 30, maxLength: 90 },
    );
    fc.assert(
      fc.property(arbitraryTerms, days, (over, found) => {
        const held = termsWith(over);
        const starts: number[] = [];
        for (const [day, one] of found.entries()) {
          const at = now + day * 24 * hourMicros;
          const lastEndedAt = starts.at(-1);
          const standing = { ...calm, ...one, championSince: now, starts, lastEndedAt };
          if (decideRetraining(held, standing, at).kind === "start") starts.push(at);
        }
        for (const start of starts)
          expect(
            starts.filter((other) => other <= start && start - other < held.periodMs * 1000).length,
          ).toBeLessThanOrEqual(held.mostRuns);
        const gaps = starts.slice(1).map((start, at) => start - (starts[at] ?? 0));
        expect(gaps.every((gap) => gap >= held.coolDownMs * 1000)).toBe(true);
      }),
    );
  });

  test("each trigger is named, and so is what keeps it back", () => {
    const bad = { ...calm, accuracy: { isOpen: true, isWeak: true } };
    expect(decideRetraining(terms, bad, now)).toEqual({ kind: "start", trigger: "accuracy" });
    const likely = { ...calm, accuracy: { isOpen: false, isWeak: true }, isDrifting: true };
    expect(decideRetraining(terms, likely, now)).toEqual({ kind: "start", trigger: "drift_with_harm" });
    const drifting = { ...calm, isDrifting: true };
    expect(decideRetraining(terms, drifting, now)).toEqual({ kind: "nothing" });
    expect(decideRetraining({ ...terms, onDrift: "alone" }, drifting, now)).toMatchObject({
      trigger: "drift",
    });
    const due = { ...terms, everyMs: 24 * 3_600_000 };
    expect(decideRetraining(due, calm, 24 * hourMicros)).toEqual({ kind: "start", trigger: "schedule" });
    expect(decideRetraining(due, calm, 24 * hourMicros - 1)).toEqual({ kind: "nothing" });
    expect(decideRetraining(terms, { ...bad, running: "rtr_1" }, now)).toEqual({
      kind: "held",
      trigger: "accuracy",
      by: "under_way",
      because: "rtr_1 is under way",
    });
    const later = 90 * 24 * hourMicros;
    expect(decideRetraining({ ...terms, isPaused: true }, bad, later)).toMatchObject({ by: "paused" });
    expect(decideRetraining(terms, { ...bad, lastEndedAt: later - 1 }, later)).toMatchObject({
      by: "cool_down",
    });
    const starts = Array.from({ length: terms.mostRuns }, () => later - 1);
    expect(decideRetraining(terms, { ...bad, starts }, later)).toMatchObject({ by: "starts" });
  });
});
