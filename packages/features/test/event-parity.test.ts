import fc from "fast-check";
import { expect, test } from "vitest";
import {
  aDelivery,
  eventView,
  naiveValues,
  plannedValues,
  TextStore,
  together,
  writeLog,
} from "./event-world.ts";

/** docs/spec/features.md F26 to F29, F31 to F34, F60: batch = fold = definition, bit for bit. */

test("the batch plan, the fold at request time and the definition agree on late, repeated, corrected, moved and withdrawn events", async () => {
  const view = eventView();
  await fc.assert(
    fc.asyncProperty(fc.array(aDelivery, { minLength: 30, maxLength: 30 }), async (deliveries) => {
      const delivery = together(deliveries);
      const log = await writeLog(view, delivery.batches, delivery.probes);
      const store = new TextStore();
      try {
        for (const [index, exactFrom] of [-1, 20, 20, 70].entries()) {
          const upTo = index + 1;
          const naive = naiveValues(delivery, upTo);
          if (index % 2 === 1) {
            const [plan, oracle] = await plannedValues(view, log, upTo);
            expect(oracle).toEqual(naive);
            expect(plan).toEqual(naive);
          }
          await store.fold(view, log, log.ends[index - 1] ?? 0, log.ends[index] ?? 0, exactFrom);
          const folded = store.valuesAt(view, delivery.probes);
          for (const [row, { at }] of delivery.probes.entries())
            if (at >= exactFrom) expect(folded[row]).toEqual(naive[row]);
        }
      } finally {
        await log.close();
      }
    }),
    { numRuns: 2, endOnFailure: true },
  );
});
