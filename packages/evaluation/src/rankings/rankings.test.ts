import { evaluatedMetrics, type ReleaseTerms } from "@portolan/charter/contract";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { judgeGates } from "../gates.ts";
import { answerTask } from "../statistics/statistics-task.ts";
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
    const task = { kind: "measure_rankings" as const, scored, query: column };
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
    expect(answerTask({ kind: "measure_rankings", scored, query: column })).toMatchObject({
      kind: "refused",
    });
  });
});
