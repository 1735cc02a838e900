import { expect, test } from "vitest";
import { faultToleranceFindings, faultToleranceTerms, sharesP99 } from "./fault-tolerance.ts";

test.each([
  [undefined, []],
  [{ timeout: "120ms", retries: "50%", circuitBreaker: { slowerThan: "120ms", openFor: "1h" } }, []],
  [{ timeout: "119ms" }, ["timeout", "circuitBreaker/slowerThan"]],
  [{ retries: "51%" }, ["retries"]],
  [{ circuitBreaker: { failureRate: "0%" } }, ["circuitBreaker/failureRate"]],
  [{ circuitBreaker: { failureRate: "101%" } }, ["circuitBreaker/failureRate"]],
  [{ circuitBreaker: { slowerThan: "241ms" } }, ["circuitBreaker/slowerThan"]],
  [{ circuitBreaker: { slowerThan: "0ms" } }, ["circuitBreaker/slowerThan"]],
  [{ timeout: "25d" }, ["timeout"]],
  [{ circuitBreaker: { openFor: "2h" } }, ["circuitBreaker/openFor"]],
  [{ circuitBreaker: { openFor: "0ms" } }, ["circuitBreaker/openFor"]],
])("%j beside a p99 of 120 ms: what contradicts itself is named", (stated, wrong) => {
  const findings = faultToleranceFindings(stated, { p99: 120, sharesP99: false });
  expect(findings.map(({ pointer }) => pointer.replace("/requirements/faultTolerance/", ""))).toEqual(wrong);
  for (const { detail, mend } of findings) expect([detail, mend].join()).toMatch(/\w.*\w/);
});

test("where something answers in the model's place, the silent charter's time is the p99 for both; a stated time is as stated", () => {
  const timeoutOf = (stated: { timeout?: string } | undefined, p99: number, shares: boolean) =>
    faultToleranceTerms(stated, { p99, sharesP99: shares }).timeoutMs;
  expect(timeoutOf(undefined, 120, true)).toBe(120);
  expect(timeoutOf({}, 0.5, true)).toBe(1);
  expect(timeoutOf(undefined, 120, false)).toBe(240);
  expect([timeoutOf({ timeout: "300ms" }, 120, true), timeoutOf({ timeout: "300ms" }, 120, false)]).toEqual([
    300, 300,
  ]);
});

test("with a fallback nothing answers later than the p99, so that no slower answer can be counted", () => {
  const stated = { circuitBreaker: { slowerThan: "121ms" } };
  expect(faultToleranceFindings(stated, { p99: 120, sharesP99: false })).toEqual([]);
  expect(faultToleranceFindings(stated, { p99: 120, sharesP99: true })).toMatchObject([
    { pointer: "/requirements/faultTolerance/circuitBreaker/slowerThan" },
  ]);
});

test("what was signed as portolan/v1 goes on meaning what it meant", () => {
  const step = [{ kind: "constant" }];
  expect([
    sharesP99("portolan/v1", step),
    sharesP99("portolan/v2", step),
    sharesP99("portolan/v2", []),
  ]).toEqual([false, true, false]);
});
