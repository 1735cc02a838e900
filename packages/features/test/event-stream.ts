import fc from "fast-check";
import * as entityWindows from "../src/events/entity-windows.ts";
import { type Line, linesOf } from "./event-lines.ts";
import {
  aReading,
  eventShape,
  eventView,
  naiveValues,
  type Reading,
  TextStore,
  type Values,
} from "./event-world.ts";

/** Batches of a busy station, folded one after the other: enough events that they settle, are withdrawn from their tiles, and go. */

export interface Stream {
  readonly batches: readonly (readonly Reading[])[];
  /** How much later the earliest moment is that is asked about after each batch. */
  readonly steps: readonly number[];
  readonly probes: readonly { readonly station: string; readonly at: number }[];
}

export const aStream: fc.Arbitrary<Stream> = fc
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

const view = eventView();
const shape = eventShape(view);

export function foldLines(
  store: TextStore,
  lines: readonly Line[],
  exactFrom: number,
  { foldEntity }: Pick<typeof entityWindows, "foldEntity"> = entityWindows,
): void {
  for (const [station, of] of Map.groupBy(lines, (line) => line.station))
    foldEntity(
      shape,
      store.of([station]),
      of.map(({ record }) => record),
      exactFrom,
    );
}

/** What the fold answers after each batch. */
export function foldedStream(
  { batches, steps, probes }: Stream,
  executor: typeof entityWindows = entityWindows,
): { readonly answers: (number | null | undefined)[][][]; readonly store: TextStore } {
  const store = new TextStore();
  let exactFrom = 0;
  const answers = linesOf(batches).map((lines, index) => {
    exactFrom += steps[index] ?? 0;
    foldLines(store, lines, exactFrom, executor);
    // Killed after its page was written and before its position was: the page comes again.
    foldLines(store, lines, exactFrom, executor);
    return store.valuesAt(
      view,
      probes.filter(({ at }) => at >= exactFrom),
      executor,
    );
  });
  return { answers, store };
}

/** What the definition answers. */
export function naiveStream({ batches, steps, probes }: Stream): Values[][] {
  let exactFrom = 0;
  return batches.map((_, index) => {
    exactFrom += steps[index] ?? 0;
    return naiveValues({ batches, probes: probes.filter(({ at }) => at >= exactFrom) }, index + 1);
  });
}
