import { parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import { parseEventTime } from "./event-time.ts";

const at = parseInstant("2020-12-28T19:51:01.641499Z");

test.each([
  ["2020-12-28T19:51:01.641499Z", { micros: at, nanos: 0 }],
  ["2020-12-28T19:51:01.641499123Z", { micros: at, nanos: 123 }],
  ["2020-12-28T19:51:01.641499", { micros: at, nanos: 0 }],
  ["2020-12-28 19:51:01.641499", { micros: at, nanos: 0 }],
  ["2020-12-28T21:51:01.641499+02:00", { micros: at, nanos: 0 }],
  ["1969-12-31T23:59:59.999999999Z", { micros: -1, nanos: 999 }],
])("%s is read to the nanosecond, and as UTC without a zone", (text, time) => {
  expect(parseEventTime(text)).toEqual(time);
});

test.each(["", "now", "2020-12-28", "2020-13-28T19:51:01Z", "1609185061", "2020-12-28T19:51:01.1234567890Z"])(
  "%s is no event time",
  (text) => {
    expect(parseEventTime(text)).toBeUndefined();
  },
);
