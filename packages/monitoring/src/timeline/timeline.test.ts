import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { type Bucket, findChange } from "./find-change.ts";
import { rankMoves } from "./rank-moves.ts";
import type { TimelineEvent, TimelineLayer, TimelineMove } from "./timeline-schema.ts";
import { judgeSeriesOverTime } from "./timeline-series.ts";

const minute = 60_000_000;
const random = seededRandom(20_261_127);

/** Buckets of so many cases, of which a share lies in the second cell. */
function buckets(shares: readonly number[], cases = 200): Bucket[] {
  return shares.map((share, at) => {
    const bad = Array.from({ length: cases }).filter(() => random() < share).length;
    return { start: at * minute, counts: [cases - bad, bad] };
  });
}
const steady = (count: number, share: number): number[] => Array.from({ length: count }, () => share);

describe("a change", () => {
  test("is found where it was, within its bounds, and how far it went is told", () => {
    const change = findChange(buckets([...steady(40, 0.02), ...steady(30, 0.2)]), minute);
    expect(change?.at).toBe(40 * minute);
    expect(change?.earliest).toBeLessThanOrEqual(40 * minute);
    expect(change?.latest).toBeGreaterThanOrEqual(40 * minute);
    expect((change?.latest ?? 0) - (change?.earliest ?? 0)).toBeLessThanOrEqual(4 * minute);
    expect(change?.psi).toBeGreaterThan(0.3);
  });

  test("across hours in which nobody asked lies anywhere in them, so that a release of the night is named for it", () => {
    const evening = buckets(steady(30, 0.02));
    const morning = buckets(steady(30, 0.5)).map((one) => ({ ...one, start: one.start + 480 * minute }));
    const judged = judgeSeriesOverTime({
      layer: "service",
      what: "requests without an answer",
      unit: "share",
      width: minute,
      buckets: [...evening, ...morning],
    });
    expect(judged.move).toMatchObject({ at: 480 * minute, earliest: 29 * minute, latest: 481 * minute });
    const release: TimelineEvent = { layer: "release", what: "release advanced", at: 60 * minute };
    const ranking = rankMoves(judged.move ? [judged.move] : [], [release]);
    expect(ranking.map(({ layer }) => layer)).toEqual(["release", "service"]);
  });

  test("that went away again is told by its begin, and not by its end", () => {
    const change = findChange(
      buckets([...steady(20, 0.02), ...steady(10, 0.3), ...steady(60, 0.02)]),
      minute,
    );
    expect(change?.at).toBe(20 * minute);
  });

  test("is none in series without one, also where buckets differ more than chance has it", () => {
    const even = Array.from({ length: 100 }, () => findChange(buckets(steady(60, 0.05)), minute));
    expect(even.filter((one) => one !== undefined)).toEqual([]);
    const restless = Array.from({ length: 100 }, () =>
      findChange(buckets(Array.from({ length: 60 }, () => 0.05 + 0.2 * random())), minute),
    );
    expect(restless.filter((one) => one !== undefined)).toEqual([]);
  });

  test("too small to matter, or of too few cases, is none", () => {
    expect(findChange(buckets([...steady(30, 0.1), ...steady(30, 0.12)], 20_000), minute)).toBeUndefined();
    expect(findChange(buckets([...steady(3, 0), ...steady(3, 1)], 10), minute)).toBeUndefined();
    expect(findChange([], minute)).toBeUndefined();
  });

  test("of durations is told in milliseconds, by the bucket that 95 % lie within", () => {
    const times = (slow: boolean, at: number): Bucket => ({
      start: at * minute,
      counts: Array.from({ length: 15 }, (_, cell) => (cell === (slow ? 8 : 3) ? 100 : 0)),
    });
    const { series, move } = judgeSeriesOverTime({
      layer: "data",
      what: "looking up features",
      unit: "ms",
      width: minute,
      buckets: Array.from({ length: 20 }, (_, at) => times(at >= 12, at)),
    });
    expect(move).toMatchObject({ at: 12 * minute, before: 5, after: 250, layer: "data" });
    expect(series).toMatchObject({ isChanged: true });
    expect(series.points[0]).toEqual({ start: 0, cases: 100, value: 5 });
  });
});

describe("the ranking", () => {
  const move = (layer: TimelineLayer, earliest: number, latest: number, psi = 1): TimelineMove => ({
    kind: "change",
    layer,
    what: layer,
    at: latest * minute,
    earliest: earliest * minute,
    latest: latest * minute,
    psi,
  });
  const layersOf = (...of: Parameters<typeof rankMoves>): string[] =>
    rankMoves(...of).map(({ layer }) => layer);

  test("goes by time where times can be told apart, and from cause to effect where they cannot", () => {
    expect(layersOf([move("data", 20, 22), move("service", 10, 12)], [])).toEqual(["service", "data"]);
    expect(layersOf([move("service", 10, 14), move("model", 9, 16), move("data", 13, 20)], [])).toEqual([
      "data",
      "model",
      "service",
    ]);
  });

  test("names a release or a restart where something moved soon after it, and nothing else for it", () => {
    const event = (layer: TimelineLayer, at: number): TimelineEvent => ({
      layer,
      what: "event",
      at: at * minute,
    });
    const moved = [move("service", 30, 32)];
    expect(layersOf(moved, [event("release", 28)])).toEqual(["release", "service"]);
    expect(layersOf(moved, [event("infrastructure", 25)])).toEqual(["infrastructure", "service"]);
    expect(layersOf(moved, [event("release", 10), event("release", 40), event("service", 29)])).toEqual([
      "service",
    ]);
    expect(layersOf([], [event("release", 10)])).toEqual([]);
  });
});
