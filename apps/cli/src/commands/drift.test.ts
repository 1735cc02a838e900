import { parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import { leftOut } from "./drift.ts";

test("what the counts leave out is said, with the instant that asks for the rest and for no window twice", () => {
  const coveredFrom = parseInstant("2026-03-01T00:05:00Z");
  const said = leftOut({ counts: [], truncated: true, coveredFrom });
  const to = /--to (\S+)$/.exec(said)?.[1] ?? "";
  expect(parseInstant(to)).toBe(coveredFrom - 1);
  expect(leftOut({ counts: [], truncated: false, coveredFrom })).toBe("");
});
