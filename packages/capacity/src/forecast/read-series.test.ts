import { isPortolanError } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { durationText, readSeries } from "./read-series.ts";

function faultOf(text: string): string {
  try {
    readSeries(text, "gpu.csv");
  } catch (error) {
    if (isPortolanError(error) && error.code === "capacity.series_not_valid")
      return error.violations.map(({ at, detail }) => `${at?.line ?? "-"}: ${detail}`).join("\n");
    throw error;
  }
  return "";
}

const hours = (...lines: readonly string[]): string =>
  ["time,quantity", ...lines.map((line) => line.replace(/^(\d\d) /, "2026-11-02T$1:00:00Z,"))].join("\n");

describe("a file of a series", () => {
  test("has a step that its lines say, other columns, and decimals", () => {
    const read = readSeries(
      "quantity,note,time\n1.5,a,2026-11-02\n0,b,2026-11-03\n2e2,c,2026-11-04T01:00:00+01:00\n",
      "a.csv",
    );
    expect(read).toEqual({ start: 1_793_577_600_000_000, stepMicros: 86_400_000_000, values: [1.5, 0, 200] });
  });

  test.each([
    [
      "a gap",
      hours("08 1", "09 1", "12 1", "13 1"),
      /^4: .*12:00:00Z follows .*09:00:00Z, .* 1 h apart: 2 missing in between$/,
    ],
    ["a gap at the start", hours("01 1", "08 1", "09 1", "10 1"), /^3: .*6 missing in between$/],
    ["a time twice", hours("08 1", "09 1", "09 2", "10 1"), /^4: time: 2026-11-02T09:00:00Z is there twice$/],
    [
      "no order",
      hours("08 1", "09 1", "10 1", "07 1"),
      /^5: .*07:00:00Z comes after .*10:00:00Z: out of order$/,
    ],
    [
      "half a step",
      "time,quantity\n2026-11-02,1\n2026-11-03,1\n2026-11-03T12:00:00Z,1\n2026-11-04T12:00:00Z,1",
      /^4: .* 1 d apart: not a step further$/,
    ],
    ["less than nothing", hours("08 1", "09 -3", "10 1"), /^3: quantity: "-3" is no number of 0 to 1e15$/],
    [
      "no number",
      hours("08 1", "09 ", "10 NaN", "11 0x10", "12 1e16"),
      /^3: .*\n4: .*\n5: .*\n6: quantity: "1e16"/,
    ],
    [
      "no time",
      "time,quantity\nyesterday,1\n2026-11-03T00:00:00,1",
      /^2: time: "yesterday" .*\n3: time: "2026-11-03T00:00:00"/,
    ],
    ["a date that is none", "time,quantity\n2026-02-30,1\n2026-03-01,1", /^2: time: "2026-02-30"/],
    ["a line alone", hours("08 1"), /^-: no two lines/],
    ["no column", "time,amount\n2026-11-02,1", /^1: the header has no column quantity$/],
    ["no rows", "time,quantity\n", /^-: it has no rows$/],
  ])("is refused with its lines: %s", (_name, text, fault) => {
    expect(faultOf(text)).toMatch(fault);
  });
});

test("durations are said in the largest unit that fits", () => {
  expect([90_000_000, 900_000_000, 3_600_000_000, 86_400_000_000, 1_500_000].map(durationText)).toEqual([
    "90 s",
    "15 min",
    "1 h",
    "1 d",
    "1.5 s",
  ]);
});
