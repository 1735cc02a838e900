import { expect, test } from "vitest";
import { judgeFreshness, type PublishedData } from "./freshness.ts";

const minute = 60_000_000;
/** Each quarter of an hour, a minute after its newest event, until it stops. */
function quarters(until: number, but: (at: number) => boolean = () => true): PublishedData[] {
  const all = Array.from({ length: Math.floor(until / 15) + 1 }, (_, n) => n * 15).filter(but);
  return all.map((at) => ({
    contract: "visits",
    publishedAt: at * minute,
    newestEvent: (at - 1) * minute,
  }));
}
const judge = (published: readonly PublishedData[], from = 0, to = 300) =>
  judgeFreshness("visits", published, { from: from * minute, to: to * minute }, minute);

test("data that stops coming is late from when it was older than ever, within the bounds of what it did before", () => {
  const { series, move } = judge(quarters(120));
  expect(move).toEqual({
    kind: "change",
    layer: "data",
    what: "age of visits",
    at: 135 * minute,
    earliest: 120 * minute,
    latest: 151 * minute,
    before: 16 * 60,
    after: 181 * 60,
  });
  expect(series).toMatchObject({ unit: "seconds", isChanged: true });
  expect(series.points).toHaveLength(300);
  expect(series.points[119]).toEqual({ start: 119 * minute, cases: 1, value: 60 });
  expect(series.points[134]?.value).toBe(16 * 60);
});

test("a gap that ended is found, the first one counts; one before the stretch is what is usual", () => {
  const gap = quarters(300, (at) => at <= 60 || at >= 150);
  expect(judge(gap).move?.at).toBe(75 * minute);
  expect(judge(gap, 180).move).toBeUndefined();
});

test("data that comes as it did is not late, nor is data of which little is known or that is young", () => {
  expect(judge(quarters(300)).move).toBeUndefined();
  expect(judge(quarters(30)).move).toBeUndefined();
  expect(judge(quarters(300, (at) => at !== 150)).move, "one that was left out").toBeUndefined();
  const fast = quarters(4).concat(
    Array.from({ length: 40 }, (_, n) => ({
      contract: "visits",
      publishedAt: (n + 1) * 1e6,
      newestEvent: (n + 1) * 1e6,
    })),
  );
  expect(judge(fast, 0, 4).move).toBeUndefined();
  expect(judge([]).series.points).toEqual([]);
});
