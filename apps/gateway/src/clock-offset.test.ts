import { addMicros, asEpochMicros, createLogger, type EpochMicros, formatHttpDate } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ClockOffset, certainOffset } from "./clock-offset.ts";

const second = 1_000_000;
const written = fc.integer({ min: 1_700_000_000, max: 1_800_000_000 }).map((seconds) => seconds * second);

/** An exchange as two clocks see it that are `ahead` apart. */
const exchange = fc.record({
  ahead: fc.integer({ min: -3600 * second, max: 3600 * second }),
  writtenSecond: written,
  within: fc.integer({ min: 0, max: second - 1 }),
  way: fc.integer({ min: 0, max: 2 * second }),
  waited: fc.integer({ min: 0, max: 30 * second }),
});

test("never says more than two clocks are apart, and at most three seconds less", () => {
  fc.assert(
    fc.property(exchange, ({ ahead, writtenSecond, within, way, waited }) => {
      const ours = writtenSecond + within + ahead;
      const found = certainOffset({ askedAt: ours - waited, answeredAt: ours + way, written: writtenSecond });
      expect(found === 0 || Math.sign(found) === Math.sign(ahead)).toBe(true);
      expect(Math.abs(found)).toBeLessThanOrEqual(Math.abs(ahead));
      expect(Math.abs(ahead - found)).toBeLessThanOrEqual(3 * second);
    }),
  );
});

test("says once that a clock went away, and once that it came back; an answer without a date says nothing", () => {
  let at: EpochMicros = asEpochMicros(1_800_000_000 * second);
  const lines: string[] = [];
  const log = createLogger({
    name: "gateway",
    destination: { write: (line) => void lines.push(line) },
  });
  const offset = new ClockOffset({ now: () => at }, log);
  offset.note(null, at);
  offset.note("yesterday", at);
  expect(offset.seconds).toBeUndefined();
  const control = at;
  offset.note(formatHttpDate(control), at);
  expect(offset.seconds).toBe(0);
  at = addMicros(control, 60 * second);
  for (let answers = 0; answers < 3; answers++) offset.note(formatHttpDate(control), at);
  expect(offset.seconds).toBe(59);
  at = addMicros(control, -60 * second);
  offset.note(formatHttpDate(control), at);
  expect(offset.seconds).toBe(-60);
  at = control;
  offset.note(formatHttpDate(control), at);
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
    "gateway.clock.far_from_control",
    "gateway.clock.near_control",
  ]);
});
