import { seededRandom } from "@portolan/numerics";
import { expect, test } from "vitest";
import { judgeConcept } from "./concept-drift.ts";
import { judgeWindows, type LabelledCase } from "./judge-performance.ts";
import { measureCases, taskOf } from "./measure-cases.ts";
import { rankingCase } from "./ranking-case.ts";

const answer = (data: readonly unknown[], shape: readonly number[] = [data.length, 1]) =>
  JSON.stringify({ outputs: [{ name: "score", datatype: "FP32", shape, data }] });
/** What is second counts 1 / log2(3), what is third a half. */
const second = 1 / Math.log2(3);

test("a list's gain is by its scores and the relevances of its rows, each at its own place", () => {
  expect(rankingCase(answer([3, 2, 1]), [1, 0, 0])).toEqual({ gain: 1 });
  expect(rankingCase(answer([3, 2, 1]), [0, 1, 0]).gain).toBeCloseTo(second, 12);
  expect(rankingCase(answer([1, 2, 3]), [1, 0, 0]).gain).toBeCloseTo(0.5, 12);
  // Relevances of 2 and 1 in the wrong order: (1 + 2 / log2(3)) / (2 + 1 / log2(3)).
  expect(rankingCase(answer([2, 1]), [1, 2]).gain).toBeCloseTo((1 + 2 * second) / (2 + second), 12);
  // Rows that tie share their ranks, and of several columns the last one is the score.
  expect(rankingCase(answer([1, 1], [2]), [1, 0]).gain).toBeCloseTo((1 + second) / 2, 12);
  expect(rankingCase(answer([9, 1, 0, 2], [2, 2]), [0, 1])).toEqual({ gain: 1 });
  expect(rankingCase(answer([[3], [2]]), [1, 0])).toEqual({ gain: 1 });
  // The eleventh counts for nothing.
  expect(
    rankingCase(
      answer(Array.from({ length: 11 }, (_, at) => -at)),
      Array.from({ length: 11 }, (_, at) => Number(at === 10)),
    ),
  ).toEqual({ gain: 0 });
});

test("a list in which nothing was relevant has no gain at all, as evaluations have it", () => {
  expect(rankingCase(answer([3, 2, 1]), [0, 0, 0])).toEqual({ gain: 0 });
});

test("what is no list of two rows with a relevance each is unreadable", () => {
  const body = answer([3, 2, 1]);
  for (const outcome of [
    true,
    1,
    "first",
    null,
    [1, 0],
    [1, 0, 0, 0],
    [1, -1, 0],
    [1, "0", 0],
    [1e308, 1e308, 1e308],
  ])
    expect(rankingCase(body, outcome), JSON.stringify(outcome)).toEqual({});
  for (const unread of [null, "{}", answer([1]), answer([3, "NaN", 1]), answer([3, 2, 1, 0], [3, 1])])
    expect(rankingCase(unread, [1, 0, 0]), String(unread)).toEqual({});
  expect(rankingCase(answer([1]), [1])).toEqual({});
});

const day = 24 * 3_600_000_000;
const perDay = 600;
/** A day of lists, so many of a hundred with the relevant row third and the others with it first. */
const dayOf = (at: number, percent: number, [good, bad] = [1, 0.5]): LabelledCase[] => {
  const random = seededRandom(at + 1);
  return Array.from({ length: perDay }, (_, n) => ({
    predictionId: `prd_${at}_${String(n).padStart(4, "0")}`,
    receivedAt: at * day + n * 1_000_000,
    gain: random() < percent / 100 ? bad : good,
  }));
};
const answeredOf = (days: number) =>
  Array.from({ length: days }, (_, at) => ({ hour: at * day, predictions: perDay }));
const bound = { metric: "ndcg_at_10", kind: "floor", value: 0.9, below: "fallback" } as const;

test("the mean over lists has the interval of normal theory, and is held to the charter's floor", () => {
  const cases = [...dayOf(0, 0).slice(0, 75), ...dayOf(0, 100).slice(0, 25)];
  const [found, ...others] = measureCases("ranking", cases, 0.95);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ metric: "ndcg_at_10", value: 0.875, cases: 100 });
  // s² of 75 times 1 and 25 times ½ is ¼ · ¾ · ¼ · 100 / 99.
  const half = 1.959963984540054 * Math.sqrt((0.25 * 0.1875 * (100 / 99)) / 100);
  expect(found?.low).toBeCloseTo(0.875 - half, 8);
  expect(found?.high).toBeCloseTo(0.875 + half, 8);
  expect(measureCases("ranking", cases.slice(0, 29), 0.95)).toEqual([]);
  const verdictOf = (percent: number, predictions = perDay) =>
    judgeWindows({ cases: dayOf(0, percent), answered: [{ hour: 0, predictions }], bound }, day)[0];
  expect(verdictOf(5)).toMatchObject({ verdict: "keeps", labels: perDay, unreadable: 0, maturity: 1 });
  expect(verdictOf(40)?.verdict).toBe("misses");
  expect(verdictOf(40, 2 * perDay)?.verdict).toBe("immature");
});

test("lists tell that they are rankings where no charter says it, and yes and no are none under a charter of rankings", () => {
  expect(taskOf(undefined, [{ gain: 0.5 }])).toBe("ranking");
  expect(taskOf({ metric: "ndcg_at_10" }, [{ said: 1, happened: 1 }])).toBe("ranking");
  const [window] = judgeWindows(
    {
      cases: dayOf(0, 0).map(({ predictionId, receivedAt }) => ({
        predictionId,
        receivedAt,
        said: 1,
        happened: 1,
      })),
      answered: answeredOf(1),
      bound,
    },
    day,
  );
  expect(window).toMatchObject({ labels: perDay, unreadable: perDay, metrics: [], verdict: "too_few" });
});

const standing = (cases: readonly LabelledCase[]) =>
  judgeConcept({ cases, answered: answeredOf(20), bound, kept: [] }, 20 * day)?.standing;

test("more badly ranked lists than in the first mature days are a concept drift", () => {
  const steady = standing([10, 10, 10, 10].flatMap((percent, at) => dayOf(at, percent)));
  expect(steady).toMatchObject({ state: "steady", reference: { task: "ranking", cases: 2 * perDay } });
  const drifted = standing([10, 10, 10, 30, 30].flatMap((percent, at) => dayOf(at, percent)));
  expect(drifted?.state).toBe("drifted");
  expect(Math.abs((drifted?.since ?? 0) - 3 * day)).toBeLessThan(0.05 * day);
});

test("where most lists found nothing relevant from the start, still more of them are a drift all the same", () => {
  const gains = [0.8, 0] as const;
  const days = (percents: readonly number[]) =>
    standing(percents.flatMap((percent, at) => dayOf(at, percent, [...gains])));
  const steady = days([60, 60, 60, 60]);
  expect(steady?.state).toBe("steady");
  expect((steady?.reference.wrong ?? 0) / (2 * perDay)).toBeCloseTo(0.6, 1);
  expect(days([60, 60, 80, 80, 80])?.state).toBe("drifted");
});
