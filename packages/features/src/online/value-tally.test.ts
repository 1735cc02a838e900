import fc from "fast-check";
import { expect, test } from "vitest";
import { compareRank, statusAt } from "../log/log-record.ts";
import type { StoredRecords } from "./online-values.ts";
import { countValues, emptyValueState, isCountDue } from "./value-tally.ts";

const aRecord = fc
  .tuple(fc.nat(50), fc.nat(50), fc.nat(50), fc.constantFrom<0 | 1>(0, 1))
  .map(([event, wait, sequence, tombstone]): StoredRecords["r"][number] => [
    event,
    event + wait,
    sequence,
    tombstone,
    [1],
  ]);

test("entities are counted by what would be answered of them once all that is stored is visible (F16)", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(aRecord, { minLength: 1, maxLength: 5 }), { maxLength: 8 }),
      fc.nat(60),
      (entities, ttlMicros) => {
        const at = 100;
        const state = entities.reduce(
          (sum, r, index) => countValues(sum, { ttlMicros }, { r }, index + 1),
          emptyValueState(at),
        );
        // By the log's own rule of rank and its own word on age.
        const newest = entities.map(
          (r) =>
            r
              .map(([event, available, sequence, tombstone]) => ({
                event,
                available,
                sequence,
                isTombstone: tombstone === 1,
              }))
              .toSorted((a, b) => compareRank(b, a) || Number(a.isTombstone) - Number(b.isTombstone))[0],
        );
        fc.pre(entities.every((r) => new Set(r.map((one) => one.slice(0, 3).join())).size === r.length));
        const statuses = newest.map((record) => statusAt(record, at, ttlMicros));
        const events = newest.flatMap((record) => (record && !record.isTombstone ? [record.event] : []));
        expect(state).toEqual({
          at,
          entities: entities.length,
          bytes: (entities.length * (entities.length + 1)) / 2,
          mostBytes: entities.length,
          outsideMaxAge: statuses.filter((status) => status === "outside_max_age").length,
          withdrawn: statuses.filter((status) => status === "not_found").length,
          ...(events.length > 0 ? { oldest: Math.min(...events) } : {}),
        });
      },
    ),
  );
});

test("a count is due with each 64th of the ttl, a minute at least and an hour at most", () => {
  const minute = 60_000_000;
  const last = emptyValueState(0);
  const due = (ttlMicros: number, asOf: number) => isCountDue({ ttlMicros, asOf }, last);
  expect(isCountDue({ ttlMicros: 1, asOf: 0 }, undefined)).toBe(true);
  expect([due(1, minute - 1), due(1, minute)]).toEqual([false, true]);
  expect([due(640 * minute, 10 * minute - 1), due(640 * minute, 10 * minute)]).toEqual([false, true]);
  expect([due(2 ** 50, 60 * minute - 1), due(2 ** 50, 60 * minute)]).toEqual([false, true]);
});
