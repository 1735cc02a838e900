import { upperTailP } from "@portolan/numerics";
import { type Query, type QuerySketch, QuerySpace } from "./query-space.ts";
import { QueryWindow, type WindowScores, type WindowStatistic, windowStatistics } from "./query-window.ts";
import type { Draws } from "./seeded-draws.ts";

/** Benign queries in their order, and whose they are. */
export interface BenignQuery extends Query {
  readonly client: string;
}

/** What benign windows of an endpoint look like. */
export interface Calibration {
  readonly space: QuerySpace;
  readonly windowQueries: number;
  /** How likely a benign window is at least so unlike the reference, over all statistics; and which of them says so most. */
  judge(scores: WindowScores): { readonly p: number; readonly by: WindowStatistic };
}

const nullWindows = 1000;

/**
 * Calibrates on benign queries: the odd ones are the reference, windows of the even ones show what chance and the differences between
 * clients do. A window's client is drawn by how much it asks.
 * @param queries at least eight windows' worth; forty give thresholds worth having
 */
export function calibrate(queries: readonly BenignQuery[], windowQueries: number, draws: Draws): Calibration {
  const space = new QuerySpace(
    queries.filter((_, i) => i % 2 === 1),
    draws,
  );
  const rest = queries.filter((_, i) => i % 2 === 0);
  const sketches = rest.map(({ client, ...query }) => ({ client, sketch: space.sketch(query) }));
  const all = sketches.map(({ sketch }) => sketch);
  const byClient = Map.groupBy(sketches, ({ client }) => client);
  const window = new QueryWindow(space);
  const drawn = Array.from({ length: nullWindows }, () => {
    const own = byClient.get(sketches[draws.below(sketches.length)]?.client ?? "") ?? [];
    const from = own.length >= windowQueries ? own.map(({ sketch }) => sketch) : all;
    return drawScores(window, from, windowQueries, draws);
  });
  // One half says how each statistic is distributed, the other what the least likely of them is like.
  const nulls = nullsOf(drawn.filter((_, i) => i % 2 === 1));
  const surprises = Float64Array.from(
    drawn.filter((_, i) => i % 2 === 0),
    (scores) => -Math.log(leastLikely(nulls, scores).p),
  ).sort();
  return {
    space,
    windowQueries,
    judge(scores) {
      const { p, by } = leastLikely(nulls, scores);
      return { p: upperTailP(surprises, -Math.log(p)), by };
    },
  };
}

/**
 * Scores of a window that a client might send next. Its queries are drawn twice with replacement, because what is known of the client is
 * itself a sample; duplicates, which that would make, are counted in a window drawn without.
 */
function drawScores(
  window: QueryWindow,
  own: readonly QuerySketch[],
  count: number,
  draws: Draws,
): WindowScores {
  const fill = (from: readonly QuerySketch[], at: (i: number) => number): WindowScores => {
    window.clear();
    for (let i = 0; i < count; i++) {
      const sketch = from[at(i)];
      if (sketch) window.add(sketch);
    }
    return window.scores();
  };
  const again = Array.from(own, () => own[draws.below(own.length)]).filter((sketch) => sketch !== undefined);
  const scores = fill(again, () => draws.below(again.length));
  const shuffled = [...own];
  for (let i = 0; i < count; i++) {
    const other = i + draws.below(shuffled.length - i);
    [shuffled[i], shuffled[other]] = [shuffled[other] as QuerySketch, shuffled[i] as QuerySketch];
  }
  return { ...scores, duplicates: fill(shuffled, (i) => i).duplicates };
}

type Nulls = Readonly<Record<WindowStatistic, Float64Array>>;

function nullsOf(drawn: readonly WindowScores[]): Nulls {
  const sorted = (name: WindowStatistic): Float64Array =>
    Float64Array.from(drawn, (scores) => scores[name]).sort();
  return {
    discrepancy: sorted("discrepancy"),
    answers: sorted("answers"),
    duplicates: sorted("duplicates"),
    novelty: sorted("novelty"),
  };
}

function leastLikely(
  nulls: Nulls,
  scores: WindowScores,
): { readonly p: number; readonly by: WindowStatistic } {
  let least: { p: number; by: WindowStatistic } = { p: 1, by: "discrepancy" };
  for (const by of windowStatistics) {
    const p = Math.max(Number.MIN_VALUE, upperTailP(nulls[by], scores[by]));
    if (p < least.p) least = { p, by };
  }
  return least;
}
