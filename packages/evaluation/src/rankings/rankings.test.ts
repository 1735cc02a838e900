import { evaluatedMetrics, type ReleaseTerms } from "@portolan/charter/contract";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { judgeChallenger } from "../compare/challenger-gate.ts";
import { judgeGates } from "../gates.ts";
import { answerTask } from "../statistics/statistics-task.ts";
import { compareRankings } from "./compare-rankings.ts";
import { rankingMetrics } from "./ranking-metrics.ts";

const column = "session";
const ids = (values: readonly number[]) => ({
  kind: "numbers" as const,
  column,
  values: Float64Array.from(values),
});

/** So many queries of eight rows, dealt over the file; scores see so much of the relevance. */
function shelves(queries: number, signal: number, seed: number) {
  const random = seededRandom(seed);
  const rows = queries * 8;
  const labels = Float64Array.from({ length: rows }, () => Math.floor(4 * random() ** 3));
  return {
    labels,
    scores: labels.map((label) => signal * label + random()),
    queries: ids(Array.from({ length: rows }, (_, row) => row % queries)),
  };
}

describe("rankings on held-out rows", () => {
  test("two queries by hand: the best row first is 1, the only one second is 1 / log2(3), one row alone says nothing", () => {
    const set = {
      scores: Float64Array.of(0.9, 0.5, 0.8, 0.1, 0.7),
      labels: Float64Array.of(1, 0, 0, 1, 1),
    };
    const { values, rows, queries } = rankingMetrics(set, { column, queries: ids([7, 7, 9, 9, 4]) });
    expect([rows, queries]).toEqual([5, 2]);
    expect(values["ndcg_at_10"]).toBeCloseTo((1 + 1 / Math.log2(3)) / 2, 12);
  });

  test("the interval is of queries, not of rows, and covers the population's value about as often as it says", () => {
    const whole = shelves(20_000, 0.3, 1);
    const truth = rankingMetrics(whole, { column, queries: whole.queries }).values["ndcg_at_10"] ?? 0;
    let covered = 0;
    for (let seed = 0; seed < 60; seed++) {
      const set = shelves(60, 0.3, 100 + seed);
      const { low = 0, high = 0 } =
        rankingMetrics(set, { column, queries: set.queries }).intervals?.["ndcg_at_10"] ?? {};
      covered += Number(low <= truth && truth <= high);
    }
    expect(covered).toBeGreaterThan(50);
  });

  test("a charter's floor and the baseline are gates of it", () => {
    const set = shelves(200, 1, 2);
    const naive = { column: "price", scores: set.labels.map((_, row) => (row * 37) % 101) };
    const metrics = rankingMetrics(set, { column, queries: set.queries }, naive);
    expect(Object.keys(metrics.values)).toEqual([...evaluatedMetrics.ranking]);
    const verdicts = (value: number) => {
      const accuracy = { metric: "ndcg_at_10", kind: "floor", value, below: "alert" } as const;
      const terms: ReleaseTerms = { task: "ranking", query: column, accuracy };
      return judgeGates({ metrics, heldOut: { shown: true, because: "later" } }, terms).map(
        ({ passed }) => passed,
      );
    };
    expect(verdicts(0.6)).toEqual([true, true, true]);
    expect(verdicts(0.9999)).toEqual([false, true, true]);
  });

  test.each([
    ["rows without the column", undefined, "no column session"],
    ["a row without a query", ids([1, 1, Number.NaN, 2]), "row 3 has no session"],
    ["ids that round alike", ids([1, 1, 2 ** 53, 2 ** 53 + 1]), "row 3 has a session beyond 2^53"],
    ["infinite ids", ids([1, 1, -1 / 0, -1 / 0]), "row 3 has a session beyond 2^53"],
    ["one query", ids([1, 1, 1, 1]), "fewer than two queries"],
    ["queries of one row", ids([1, 2, 3, 4]), "fewer than two queries"],
    [
      "too many texts",
      { kind: "unfit" as const, column, reason: "more than 200 texts" },
      "give each a number",
    ],
  ])("%s are refused", (_, queries, detail) => {
    const rows = { scores: Float64Array.of(1, 2, 3, 4), labels: Float64Array.of(0, 1, 0, 1) };
    const scored = { ...rows, ...(queries ? { slices: [queries] } : {}) };
    const task = { kind: "measure_rankings" as const, scored, query: column, sliced: [], attributes: [] };
    expect(answerTask(task)).toMatchObject({
      kind: "refused",
      detail: expect.stringContaining(detail) as string,
    });
  });

  test("a relevance below nothing is refused", () => {
    const scored = {
      scores: Float64Array.of(1, 2, 3, 4),
      labels: Float64Array.of(0, -1, 0, 1),
      slices: [ids([1, 1, 2, 2])],
    };
    expect(
      answerTask({ kind: "measure_rankings", scored, query: column, sliced: [], attributes: [] }),
    ).toMatchObject({
      kind: "refused",
    });
  });
});

describe("slices of rankings (G10)", () => {
  const set = shelves(200, 1, 3);
  const asked = { columns: ["device"], bins: 4, support: { positives: 30, negatives: 30 }, maximumGap: 0.05 };
  /** Of queries 0 to 119 one device, of 120 to 179 another, on which the model ranks by chance, of 180 to 189 a third; the rest have two. */
  const device = {
    kind: "texts" as const,
    column: "device",
    texts: ["desk", "phone", "watch"],
    codes: Uint32Array.from(set.labels, (_, row) => {
      const query = row % 200;
      return query < 120 ? 0 : query < 180 ? 1 : query < 190 ? 2 : row < 200 ? 0 : 1;
    }),
  };
  const random = seededRandom(9);
  const scores = set.scores.map((score, row) => (row % 200 >= 120 && row % 200 < 180 ? random() : score));
  const task = (slices: typeof asked) => ({
    kind: "measure_rankings" as const,
    scored: { scores, labels: set.labels, slices: [set.queries, device] },
    query: column,
    sliced: ["device"],
    slices,
    attributes: [],
  });

  test("a list is judged whole: each part has the mean of its queries, and queries of several values are of no part", () => {
    const answer = answerTask(task(asked));
    if (answer.kind !== "measured") throw new Error(JSON.stringify(answer));
    const { metrics } = answer;
    const [sliced] = metrics.sliced?.columns ?? [];
    expect(
      sliced?.slices.map(({ value, queries, rows, isJudged }) => [value, queries, rows, isJudged]),
    ).toEqual([
      ["desk", 120, 960, true],
      ["phone", 60, 480, true],
      ["watch", 10, 80, false],
      ["(mixed)", 10, 80, false],
    ]);
    const phone = [...set.labels.keys()].filter((row) => device.codes[row] === 1 && row % 200 < 180);
    const own = {
      scores: Float64Array.from(phone, (row) => scores[row] ?? 0),
      labels: Float64Array.from(phone, (row) => set.labels[row] ?? 0),
    };
    const queries = ids(phone.map((row) => row % 200));
    expect(sliced?.slices[1]?.values?.["ndcg_at_10"]).toBeCloseTo(
      rankingMetrics(own, { column, queries }).values["ndcg_at_10"] ?? 0,
      12,
    );
    const gateOf = (slices: ReleaseTerms["slices"]) => {
      const accuracy = { metric: "ndcg_at_10", kind: "floor", value: 0.1, below: "alert" } as const;
      const terms: ReleaseTerms = { task: "ranking", query: column, accuracy, ...(slices ? { slices } : {}) };
      return judgeGates({ metrics, heldOut: { shown: true, because: "later" } }, terms).find(
        ({ gate }) => gate === "slices",
      );
    };
    expect(gateOf(asked)).toMatchObject({
      passed: false,
      observed: expect.stringMatching(
        /where device is phone .*; 20 of 200 queries are in slices of device that are too small/,
      ) as string,
    });
    expect(gateOf({ ...asked, maximumGap: 0.5 })?.passed).toBe(true);
    const support = { ...asked.support, rows: 100 };
    expect(gateOf({ ...asked, support })?.observed).toContain("another support");
    const again = answerTask(task({ ...asked, support }));
    if (again.kind !== "measured") throw new Error(JSON.stringify(again));
    expect(again.metrics.sliced?.columns[0]?.slices.map(({ isJudged }) => isJudged)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe("rankings beside the champion (G12)", () => {
  const rule = { metrics: ["ndcg_at_10" as const], margins: {}, level: 0.025 };
  /** Another model of the same rows. */
  const beside = (set: ReturnType<typeof shelves>, signal: number, seed: number) => {
    const random = seededRandom(seed);
    return { labels: set.labels, scores: set.labels.map((label) => signal * label + random()) };
  };

  test("one that is much better is shown to be, by its queries; the other way round it is not", () => {
    const set = shelves(60, 1, 4);
    const other = beside(set, 0.1, 5);
    const asked = { column, queries: set.queries };
    const { values, queries } = compareRankings(set, other, asked, rule);
    expect([queries, values[0]?.isShown]).toEqual([60, true]);
    expect(values[0]?.challenger).toBe(rankingMetrics(set, asked).values["ndcg_at_10"]);
    expect(compareRankings(other, set, asked, rule).values[0]).toMatchObject({ isShown: false });
    const evidence = {
      heldOut: { shown: true, because: "later" },
      rule,
      values,
      isBetter: true,
      rows: 480,
      setsTried: 1,
    };
    expect(judgeChallenger([{ ...evidence, queries }], { metrics: rule.metrics, margins: {} }).passed).toBe(
      true,
    );
    expect(
      judgeChallenger([{ ...evidence, queries: 29 }], { metrics: rule.metrics, margins: {} }),
    ).toMatchObject({
      passed: false,
      observed: "29 queries: fewer than 30",
    });
  });

  test("one that is as good is not worse by a margin, and told apart about as rarely as the level says", () => {
    let [shown, notWorse] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      const set = shelves(40, 0.4, 200 + seed);
      const other = beside(set, 0.4, 900 + seed);
      const asked = { column, queries: set.queries };
      shown += Number(compareRankings(set, other, asked, rule).values[0]?.isShown);
      const margins = { ndcg_at_10: 0.2 };
      notWorse += Number(compareRankings(set, other, asked, { ...rule, margins }).values[0]?.isShown);
    }
    // 2.5 % of 20 are 0.5; four standard errors are 2.8.
    expect(shown).toBeLessThan(4);
    expect(notWorse).toBeGreaterThan(17);
  });

  test("other rows and other metrics are refused", () => {
    const set = shelves(40, 1, 6);
    const asked = { column, queries: set.queries };
    expect(() => compareRankings(set, shelves(40, 1, 7), asked, rule)).toThrow("same rows");
    expect(() => compareRankings(set, set, asked, { ...rule, metrics: ["rmse"] })).toThrow("rmse");
  });
});
