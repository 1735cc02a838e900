import { expect, test } from "vitest";
import { faultToleranceFindings } from "./fault-tolerance.ts";

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
  const findings = faultToleranceFindings(stated, 120);
  expect(findings.map(({ pointer }) => pointer.replace("/requirements/faultTolerance/", ""))).toEqual(wrong);
  for (const { detail, mend } of findings) expect([detail, mend].join()).toMatch(/\w.*\w/);
});
