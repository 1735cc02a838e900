import { expect, test } from "vitest";
import { judgeAnswer, lastNumber } from "./judge-answer.ts";
import type { Expectation } from "./text-case.ts";

// G8 of docs/spec/promotion-gates.md.
test.each<[Expectation, string, boolean]>([
  ["Paris", " Paris\n", true],
  ["Paris", "paris", false],
  [{ exact: "Paris", ignoreCase: true }, "PARIS", true],
  [{ contains: "Paris" }, "It is Paris.", true],
  [{ contains: "paris" }, "It is Paris.", false],
  [{ contains: "paris", ignoreCase: true }, "It is Paris.", true],
  [{ regex: "^\\d{4}-\\d\\d$" }, "2026-11", true],
  [{ regex: "^\\d{4}-\\d\\d$" }, "in 2026-11", false],
  [{ number: 1234.5 }, "First 7, so the sum is 1,234.50", true],
  [{ number: 4, within: 0.1 }, "about 4.05", true],
  [{ number: 4, within: 0.01 }, "about 4.05", false],
  [{ number: 0.3, within: 0.1 }, "0.2", true],
  [{ number: 4 }, "four", false],
  [{ expression: "answer in ('yes', 'Yes.')" }, "Yes.", true],
  [{ expression: "number >= 3.0 and characters < 5" }, "3.5", true],
  [{ expression: "number >= 3.0" }, "three", false],
])("expecting %j, the answer %j passes: %s", (wanted, answer, passed) => {
  expect(judgeAnswer(wanted, answer).passed).toBe(passed);
});

test("a pattern that would never end fails its case within its time, and holds nobody up", () => {
  const startMs = performance.now();
  const verdict = judgeAnswer({ regex: "^(a+)+$" }, `${"a".repeat(60)}b`);
  expect(verdict).toMatchObject({ passed: false, why: expect.stringContaining("50 ms") as string });
  expect(performance.now() - startMs).toBeLessThan(2000);
});

test.each([
  ["1,234 and 5,67", 67],
  ["-3", -3],
  ["1e3", 1000],
  ["version 2.5.1", 1],
  ["none", undefined],
])("the last number of %j is %s", (text, number) => {
  expect(lastNumber(text)).toBe(number);
});
