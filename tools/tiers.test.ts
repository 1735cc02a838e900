import { expect, test } from "vitest";
import { summary, tallyOf } from "./tiers.ts";

const report = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [{ status: "passed", assertionResults: [{ status: "passed" }] }],
};

test("a green run counts its tests, pending and todo as skipped", () => {
  expect(tallyOf(report, 0)).toEqual({ passed: 3, failed: 0, skipped: 2 });
});

test("a file that does not load is a failure though it holds no failed test", () => {
  const broken = { ...report, testResults: [{ status: "failed", assertionResults: [] }] };
  expect(tallyOf(broken, 1).failed).toBe(1);
});

test("a run that ends in an error without a failed test, or without a report, is a failure", () => {
  expect(tallyOf(report, 1).failed).toBe(1);
  expect(tallyOf(undefined, 0).failed).toBe(1);
});

test("the summary names skipped tests only where there are some", () => {
  expect(summary({ passed: 2, failed: 0, skipped: 0 })).toBe("2 passed, 0 failed");
  expect(summary({ passed: 2, failed: 1, skipped: 3 })).toBe("2 passed, 1 failed, 3 skipped");
});
