import { formatInstant, parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import { nextTime, readCron } from "./cron.ts";

function next(cron: string, after: string): string {
  const reading = readCron(cron);
  if (reading.kind !== "times") throw new Error(reading.because);
  const at = nextTime(reading.times, parseInstant(after));
  return at === undefined ? "never" : formatInstant(at);
}

test.each([
  ["* * * * *", "2026-11-27T19:15:00Z", "2026-11-27T19:16:00Z"],
  ["15 3 * * 1", "2026-11-27T19:15:00Z", "2026-11-30T03:15:00Z"],
  ["15 3 * * 1", "2026-11-30T03:14:59.999999Z", "2026-11-30T03:15:00Z"],
  ["15 3 * * 1", "2026-11-30T03:15:00Z", "2026-12-07T03:15:00Z"],
  ["0 0 1 1 *", "2026-11-27T00:00:00Z", "2027-01-01T00:00:00Z"],
  ["0 12 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T12:00:00Z"],
  ["*/20 22-23 * * *", "2026-11-27T22:50:00Z", "2026-11-27T23:00:00Z"],
  ["5/25 6 * * *", "2026-11-27T06:31:00Z", "2026-11-27T06:55:00Z"],
  ["0 6 * * 7", "2026-11-27T00:00:00Z", "2026-11-29T06:00:00Z"],
  // Either the 13th or a Friday.
  ["0 0 13 * 5", "2026-11-27T12:00:00Z", "2026-12-04T00:00:00Z"],
  ["0 0 13 * 5", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"],
  ["30 1,2 * 3,12 *", "2026-11-27T00:00:00Z", "2026-12-01T01:30:00Z"],
])("%s after %s comes at %s", (cron, after, at) => {
  expect(next(cron, after)).toBe(at);
});

test.each([
  ["* * * *", "4 fields"],
  ["60 * * * *", "0 to 59"],
  ["* 5-3 * * *", "hour"],
  ["*/0 * * * *", "minute"],
  ["x * * * *", '"x"'],
  ["0 0 30 2 *", "never comes"],
  ["@daily", "1 fields"],
])("%s is refused, and it is said why", (cron, why) => {
  expect(readCron(cron)).toMatchObject({
    kind: "unreadable",
    because: expect.stringContaining(why) as string,
  });
});
