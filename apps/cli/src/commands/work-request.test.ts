import { expect, test } from "vitest";
import { priorityOf, requestOf, timeLimitLine, timesOf } from "./work-request.ts";

test("cards and slices become what the API takes", () => {
  expect(requestOf({})).toBeUndefined();
  expect(
    requestOf({
      cpu: "2",
      memory: "16GiB",
      gpu: ["a100:1", "l4"],
      mig: ["1g.10gb:2", "H100-80GB/1g.10gb+me:1"],
    }),
  ).toEqual({
    cpu: "2",
    memory: "16GiB",
    gpus: [
      { model: "a100", count: 1 },
      { model: "l4", count: 1 },
      { profile: "1g.10gb", count: 2 },
      { model: "H100-80GB", profile: "1g.10gb+me", count: 1 },
    ],
  });
});

test.each(["a100:0", "a100:x", ":2", "a100:1:2", "", "a100:99999"])("--gpu %s is refused", (text) => {
  expect(() => requestOf({ gpu: [text] })).toThrow(/says no number/);
});

test("a time limit is whole seconds, in whatever unit", () => {
  const secondsOf = (timeLimit: string) => requestOf({ timeLimit })?.timeLimitSeconds;
  expect(["90s", "1.5h", "90min", "7d", "365d"].map(secondsOf)).toEqual([
    90, 5400, 5400, 604_800, 31_536_000,
  ]);
  expect(timeLimitLine(requestOf({ timeLimit: "90min" }))).toEqual([
    "it is stopped when it has worked for 90min",
  ]);
  expect([timeLimitLine(undefined), timeLimitLine({ cpu: "2" })]).toEqual([[], []]);
  for (const text of ["", "0s", "1.5s", "2", "2 h", "-1h", "366d", "1y", "80ms", "h", "1e3s"])
    expect(() => secondsOf(text), text).toThrow(/is no time limit/);
});

test("a priority is a whole number from -10 to 10", () => {
  expect([priorityOf("-10"), priorityOf("3"), priorityOf(undefined)]).toEqual([-10, 3, undefined]);
  for (const text of ["11", "1.5", "high", ""]) expect(() => priorityOf(text)).toThrow(/is no priority/);
});

test("windows and the moment before which nothing begins become what the API takes; others are refused", () => {
  expect(timesOf({})).toEqual({});
  expect(timesOf({ window: ["22:00-06:00", "12:00-13:30"], notBefore: "2026-12-01T22:00:00+01:00" })).toEqual(
    {
      windows: [
        { from: "22:00", to: "06:00" },
        { from: "12:00", to: "13:30" },
      ],
      notBefore: 1_796_158_800_000_000,
    },
  );
  for (const text of ["24:00-06:00", "22:00", "", "22:00-06:00x"])
    expect(() => timesOf({ window: [text] })).toThrow(/is no window of a day/);
  expect(() => timesOf({ notBefore: "tomorrow" })).toThrow(/is not an instant/);
});
