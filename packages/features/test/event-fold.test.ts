import fc from "fast-check";
import { expect, test } from "vitest";
import { foldEntity, mostEventsPerEntity, sweepEntity } from "../src/events/entity-windows.ts";
import { windowShape } from "../src/events/window-shape.ts";
import { linesOf } from "./event-lines.ts";
import {
  aReading,
  type Delivery,
  eventView,
  long,
  naiveValues,
  type Reading,
  TextStore,
} from "./event-world.ts";

/** docs/spec/features.md F33 to F35: what an online store keeps of an entity, with enough events to fill its tiles. */

const view = eventView();
const shape = windowShape(view);

/** Batches of one busy station among others, with moments that grow from fold to fold. */
const aStream = fc
  .record({
    batches: fc.array(fc.array(aReading, { minLength: 60, maxLength: 90 }), { minLength: 6, maxLength: 6 }),
    ids: fc.infiniteStream(fc.nat()),
    steps: fc.array(fc.constantFrom(0, 5, 20, 20), { minLength: 6, maxLength: 6 }),
    probes: fc.array(
      fc.record({ station: fc.constantFrom("a", "b"), at: fc.integer({ min: 0, max: 250 }) }),
      {
        minLength: 20,
        maxLength: 20,
      },
    ),
  })
  .map(({ batches, ids, ...rest }) => ({
    ...rest,
    batches: batches.map((rows) =>
      rows.map((row) => {
        const id = ids.next().value ?? 0;
        return { ...row, id: String(id % 500), station: id % 7 === 0 ? row.station : "a" };
      }),
    ),
  }));

function fold(store: TextStore, lines: ReturnType<typeof linesOf>[number], exactFrom: number): void {
  for (const [station, of] of Map.groupBy(lines, (line) => line.station))
    foldEntity(
      shape,
      store.of([station]),
      of.map(({ record }) => record),
      exactFrom,
    );
}

test("a fold says what the definition says, whatever is late, corrected, moved or withdrawn, and whatever has settled", () => {
  let tiles = 0;
  fc.assert(
    fc.property(aStream, ({ batches, probes, steps }) => {
      const store = new TextStore();
      let exactFrom = 0;
      for (const [index, lines] of linesOf(batches).entries()) {
        exactFrom += steps[index] ?? 0;
        fold(store, lines, exactFrom);
        // Killed after its page was written and before its position was: the page comes again.
        fold(store, lines, exactFrom);
        const asked = probes.filter(({ at }) => at >= exactFrom);
        const delivery: Delivery = { batches, probes: asked };
        expect(store.valuesAt(view, asked)).toEqual(naiveValues(delivery, index + 1));
      }
      tiles += [...store.rows.keys()].filter((key) => key.includes("tile")).length;
    }),
    { numRuns: 150 },
  );
  expect(tiles).toBeGreaterThan(150);
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
    { numRuns: 50 },
  );
});

/** Enough events of a station that everything before is dropped or settled. */
function last(station: string, after: number): ReturnType<typeof linesOf>[number] {
  return Array.from({ length: 40 }, (_, index) => ({
    station,
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
  expect(kept).toBeGreaterThan(mostEventsPerEntity * 0.9);
  const [values] = store.valuesAt(view, [{ station: "a", at: 300 + long }]);
  const named = Object.fromEntries(view.features.map(({ name }, index) => [name, values?.[index]]));
  // The long window reaches what went, and says so; the short one does not.
  expect(named["n_long"]).toBeUndefined();
  expect(named["n_short"]).toBeGreaterThan(0);
});
