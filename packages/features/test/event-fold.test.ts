import fc from "fast-check";
import { expect, test } from "vitest";
import { foldEntity, mostEventsPerEntity, sweepEntity } from "../src/events/entity-windows.ts";
import { linesOf } from "./event-lines.ts";
import { aStream, foldLines as fold, foldedStream, naiveStream } from "./event-stream.ts";
import { eventShape, eventView, long, type Reading, TextStore } from "./event-world.ts";

/** docs/spec/features.md F33 to F35: what an online store keeps of an entity, with enough events to fill its tiles. */

const view = eventView();
const shape = eventShape(view);

test("a fold says what the definition says, whatever is late, corrected, moved or withdrawn, and whatever has settled", () => {
  let tiles = 0;
  fc.assert(
    fc.property(aStream, (stream) => {
      const { answers, store } = foldedStream(stream);
      expect(answers).toEqual(naiveStream(stream));
      tiles += [...store.rows.keys()].filter((key) => key.includes("tile")).length;
    }),
    { numRuns: 60 },
  );
  expect(tiles).toBeGreaterThan(60);
});

test("the same lines in pages of one or in one page leave the same store, bit for bit", () => {
  fc.assert(
    fc.property(aStream, ({ batches }) => {
      const [whole, single] = [new TextStore(), new TextStore()];
      const all = linesOf(batches).flat();
      fold(whole, all, 40);
      for (const line of all) fold(single, [line], 40);
      fold(single, all.slice(0, 9), 40);
      // Settling comes after so many lines: both settle at the end.
      for (const store of [whole, single])
        for (const station of ["a", "b", "it's"]) fold(store, last(station, all.length), 1000);
      expect(single.rows).toEqual(whole.rows);
    }),
    { numRuns: 12 },
  );
});

/** Enough events of a station that everything before is dropped or settled. */
function last(station: string, after: number): ReturnType<typeof linesOf>[number] {
  return Array.from({ length: 40 }, (_, index) => ({
    station,
    id: String(index),
    record: { event: 1000, available: 1000, sequence: after + 1000 + index, values: [null, 1, null, null] },
  }));
}

const plain = (ts: number, id: number): Reading => ({
  id: String(id),
  station: "a",
  ts,
  known: ts,
  gone: false,
  v: 1n,
  f: null,
  c: null,
});

test("state is bounded: what no window reaches goes, and of too many events the oldest", () => {
  const store = new TextStore();
  const rows = store.of(["a"]);
  const [lines = []] = linesOf([Array.from({ length: 100 }, (_, index) => plain(index, index))]);
  foldEntity(
    shape,
    rows,
    lines.map(({ record }) => record),
    200,
  );
  // All of them are older than the longest window before 200.
  expect(rows.summary()?.t ?? []).toEqual([]);
  expect(sweepEntity(shape, rows, 200)).toBe(false);

  const flood = Array.from({ length: mostEventsPerEntity + 10 }, (_, index) => ({
    event: 301 + Math.floor((index * long) / (mostEventsPerEntity + 10)),
    available: 300 + long,
    sequence: 1000 + index,
    values: [null, 1, null, null],
  }));
  foldEntity(shape, rows, flood, 300 + long);
  const kept = (rows.summary()?.t ?? []).reduce((sum, [, count]) => sum + count, 0);
  expect(kept).toBeLessThanOrEqual(mostEventsPerEntity);
  expect(kept).toBeGreaterThan(mostEventsPerEntity * 0.8);
  const [values] = store.valuesAt(view, [{ station: "a", at: 300 + long }]);
  const named = Object.fromEntries(view.features.map(({ name }, index) => [name, values?.[index]]));
  // The long window reaches what went, and says so; the short one does not.
  expect(named["n_long"]).toBeUndefined();
  expect(named["n_short"]).toBeGreaterThan(0);
});
