import { asEpochMicros, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { opensAt, untilWindow } from "./job-window.ts";

const at = (text: string) => parseInstant(`2026-11-26T${text}:00Z`);
const night = [{ from: "22:00", to: "06:00" }];

test("work waits for the next window, over midnight too", () => {
  const minutes = (text: string) => untilWindow(night, at(text) / 1000) / 60_000;
  expect([minutes("21:30"), minutes("22:00"), minutes("05:59"), minutes("06:00")]).toEqual([30, 0, 0, 960]);
  expect(untilWindow(undefined, at("12:00") / 1000)).toBe(0);
  expect(untilWindow([...night, { from: "12:10", to: "12:20" }], at("12:00") / 1000)).toBe(600_000);
});

test("work that may not begin before a moment begins then, or in the window after it", () => {
  expect(opensAt({}, at("12:00"))).toBeUndefined();
  expect(opensAt({ notBefore: at("11:00") }, at("12:00"))).toBeUndefined();
  expect(opensAt({ notBefore: at("13:00") }, at("12:00"))).toBe(at("13:00"));
  expect(opensAt({ windows: night, notBefore: at("13:00") }, at("12:00"))).toBe(at("22:00"));
  expect(opensAt({ windows: night, notBefore: at("23:00") }, at("12:00"))).toBe(at("23:00"));
  expect(opensAt({ windows: night }, at("23:00"))).toBeUndefined();
});

test("it is the first minute that lies in a window, as a walk through all minutes finds it", () => {
  const clockTime = fc
    .record({ hour: fc.integer({ min: 0, max: 23 }), minute: fc.integer({ min: 0, max: 59 }) })
    .map(({ hour, minute }) => ({
      minute: hour * 60 + minute,
      text: `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`,
    }));
  const windows = fc.array(fc.record({ from: clockTime, to: clockTime }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(
      windows,
      fc.integer({ min: 0, max: 1439 }),
      fc.integer({ min: -1000, max: 4000 }),
      (drawn, now, later) => {
        const minute = 60_000_000;
        const midnight = at("00:00");
        const isIn = (of: number) =>
          drawn.some(({ from, to }) =>
            from.minute < to.minute
              ? of >= from.minute && of < to.minute
              : of >= from.minute || of < to.minute,
          );
        let first = Math.max(now, now + later);
        while (!isIn(first % 1440)) first += 1;
        const found = opensAt(
          {
            windows: drawn.map(({ from, to }) => ({ from: from.text, to: to.text })),
            notBefore: midnight + (now + later) * minute,
          },
          asEpochMicros(midnight + now * minute),
        );
        expect(found).toBe(first === now ? undefined : midnight + first * minute);
      },
    ),
  );
});
