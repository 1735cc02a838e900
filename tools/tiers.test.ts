import { expect, test } from "vitest";
import { failuresOf, summary, tallyOf } from "./tiers.ts";

const report = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [
    {
      name: "/repo/a.test.ts",
      status: "passed",
      message: "",
      assertionResults: [{ status: "passed", fullName: "adds", failureMessages: [] }],
    },
  ],
};

test("a green run counts its tests, pending and todo as skipped", () => {
  expect(tallyOf(report, 0)).toEqual({ passed: 3, failed: 0, skipped: 2 });
});

test("a file that does not load is a failure though it holds no failed test", () => {
  const file = {
    name: "/repo/b.test.ts",
    status: "failed",
    message: "no such module\nat b",
    assertionResults: [],
  };
  const broken = { ...report, testResults: [file] };
  expect(tallyOf(broken, 1).failed).toBe(1);
  expect(failuresOf("/repo", "t1", broken)).toEqual(["FAILED t1 b.test.ts: no such module"]);
});

test("each failed test has its line: tier, file, test, and the first line of what went wrong", () => {
  const failed = {
    status: "failed",
    fullName: "sums adds",
    failureMessages: ["\u001b[31mError: 3\u001b[39m\n at x"],
  };
  const [file] = report.testResults;
  const assertionResults = [...(file?.assertionResults ?? []), failed];
  const broken = {
    ...report,
    testResults: [{ ...file, name: "/repo/a.test.ts", status: "failed", message: "", assertionResults }],
  };
  expect(failuresOf("/repo", "t0", broken)).toEqual(["FAILED t0 a.test.ts > sums adds: Error: 3"]);
  expect(failuresOf("/repo", "t0", report)).toEqual([]);
});

test("a run that ends in an error without a failed test, or without a report, is a failure", () => {
  expect(tallyOf(report, 1).failed).toBe(1);
  expect(tallyOf(undefined, 0).failed).toBe(1);
});

test("the summary names skipped tests only where there are some", () => {
  expect(summary({ passed: 2, failed: 0, skipped: 0 })).toBe("2 passed, 0 failed");
  expect(summary({ passed: 2, failed: 1, skipped: 3 })).toBe("2 passed, 1 failed, 3 skipped");
});
