import { seededRandom } from "@portolan/numerics";
import fc from "fast-check";
import { expect, test } from "vitest";
import { conceptFinding } from "../alerts/concept-finding.ts";
import { conceptPolicy, judgeConcept } from "./concept-drift.ts";
import type { ConceptStanding } from "./concept-schema.ts";
import type { LabelledCase } from "./judge-performance.ts";
import type { PerformanceSeries } from "./performance-schema.ts";

const hour = 3_600_000_000;
const day = 24 * hour;
const perDay = 600;

/** A day of yes and no of which so many in a hundred are wrong. */
function dayOf(at: number, percent: number, random = seededRandom(at + 1)): LabelledCase[] {
  return Array.from({ length: perDay }, (_, n) => {
    const happened = Number(random() < 0.5);
    const isWrong = random() < percent / 100;
    const said = isWrong ? 1 - happened : happened;
    const predictionId = `prd_${at}_${String(n).padStart(4, "0")}`;
    return { predictionId, receivedAt: at * day + n * 1_000_000, said, happened };
  });
}
const daysOf = (percents: readonly number[]) => percents.flatMap((percent, at) => dayOf(at, percent));
const answeredOf = (days: number, predictions = perDay) =>
  Array.from({ length: days }, (_, at) => ({ hour: at * day, predictions }));
const standing = (
  cases: readonly LabelledCase[],
  over: Partial<Parameters<typeof judgeConcept>[0]> = {},
): ConceptStanding | undefined =>
  judgeConcept({ cases, answered: answeredOf(20), bound: undefined, kept: [], ...over }, 20 * day)?.standing;

test("more errors than in the first mature days are a drift, with when it began; as many are none", () => {
  const steady = standing(daysOf([10, 10, 10, 10, 10, 10]));
  expect(steady).toMatchObject({ state: "steady", cases: 4 * perDay, since: null, foundAt: null });
  expect(steady?.reference).toMatchObject({ cases: 2 * perDay, from: 0, to: 2 * day, isKept: false });
  const drifted = standing(daysOf([10, 10, 10, 10, 25, 25]));
  expect(drifted?.state).toBe("drifted");
  expect(drifted?.evidence).toBeGreaterThanOrEqual(conceptPolicy.bound);
  expect(Math.abs((drifted?.since ?? 0) - 4 * day)).toBeLessThan(60 * 1_000_000 + day * 0.05);
  expect(drifted?.foundAt).toBeGreaterThan(drifted?.since ?? 0);
});

test("labels in any order give the same, and a correction gives what it would have given in time", () => {
  const cases = daysOf([10, 10, 10, 25, 25]);
  const whole = standing(cases);
  fc.assert(
    fc.property(fc.shuffledSubarray(cases, { minLength: cases.length }), (shuffled) => {
      expect(standing(shuffled)).toEqual(whole);
    }),
    { numRuns: 10 },
  );
  const corrected = cases.map((one) =>
    one.receivedAt >= 3 * day ? { ...one, said: Number(one.happened) } : one,
  );
  expect(standing(corrected)?.state).toBe("steady");
});

test("days of which labels are missing count for nothing, nor make they a reference; nor does a day that is not over", () => {
  const cases = daysOf([10, 10, 10, 40, 40]);
  const answered = answeredOf(5).map((one, at) => (at < 3 ? one : { ...one, predictions: 2 * perDay }));
  expect(standing(cases, { answered })).toMatchObject({ state: "steady", cases: perDay });
  expect(standing(cases, { answered: answeredOf(5, 2 * perDay) })).toBeUndefined();
  expect(
    judgeConcept({ cases, answered: answeredOf(5), bound: undefined, kept: [] }, 1.5 * day),
  ).toBeUndefined();
});

test("a reference that was kept holds, so that a drift never becomes its own; one of another task is none", () => {
  const drifted = daysOf([25, 25, 25, 25]);
  expect(standing(drifted)?.state).toBe("steady");
  const kept = {
    task: "binary",
    cases: 2000,
    wrong: 200,
    cutoff: null,
    calibration: null,
    from: -9 * day,
    to: 0,
  } as const;
  const held = standing(drifted, { kept: [kept] });
  expect(held).toMatchObject({ state: "drifted", reference: { isKept: true, cases: 2000 } });
  expect(standing(drifted, { kept: [{ ...kept, task: "judged" }] })?.state).toBe("steady");
});

test("a quantity is wrong beyond the error that nine of ten had in the reference", () => {
  const quantities = (spreads: readonly number[]) =>
    spreads.flatMap((spread, at) => {
      const random = seededRandom(at + 5);
      return dayOf(at, 0).map((one) => ({ ...one, happened: 50, said: 50 + spread * (random() - 0.5) }));
    });
  const bound = { metric: "rmse", kind: "ceiling", value: 10, below: "alert" } as const;
  const steady = standing(quantities([10, 10, 10, 10]), { bound });
  expect(steady).toMatchObject({
    state: "steady",
    reference: { task: "regression", cases: 1200, wrong: 120 },
  });
  expect(standing(quantities([10, 10, 20, 20]), { bound })?.state).toBe("drifted");
});

const series = (concept: ConceptStanding | undefined, variant = "champion"): PerformanceSeries => ({
  environment: "production",
  useCaseId: "uc_1",
  variant,
  model: "churn",
  version: "3",
  bound: null,
  concept: concept ?? null,
  windows: [],
  segments: [],
});
const conditionOf = (concept: ConceptStanding | undefined, variant?: string) =>
  conceptFinding("churn", series(concept, variant))?.condition;

test("a drift that ends is over once five hundred outcomes are as good as before, and may come again", () => {
  const back = standing(daysOf([10, 10, 30, 8, 8]));
  expect(back?.state).toBe("steady");
  expect(conditionOf(back)).toBe("recovered");
  expect(conditionOf(standing(daysOf([10, 10, 30, 8, 8, 30])))).toBe("firing");
});

test("too few outcomes after a drift are no recovery, and what answers nobody has none", () => {
  const drifted = standing(daysOf([10, 10, 30]));
  expect(conditionOf(drifted)).toBe("firing");
  expect(conditionOf(drifted, "shadow")).toBeUndefined();
  expect(conditionOf(standing(daysOf([10, 10])))).toBe("unclear");
  expect(conditionOf(undefined)).toBeUndefined();
});
