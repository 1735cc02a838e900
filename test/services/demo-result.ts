import { expect } from "vitest";

interface DemoResult {
  readonly steps: readonly { readonly title: string }[];
  readonly accepted: number;
  readonly quarantined: number;
  readonly auc: { readonly low: number; readonly baseline: number };
  readonly served: number;
  readonly answeredMeanwhile: number;
  readonly retrained: { readonly version: number };
  readonly rolledBack: { readonly requests: number };
  readonly parity: { readonly compared: number; readonly mismatches: number };
  readonly statement: { readonly requests: number; readonly cost: string };
  readonly verified: { readonly rows: number };
}

/** What `portolan --json demo --steps 8` printed says that a model which was trained on all rows, and judged, is deployed. */
export function expectDeployed(printed: string): DemoResult {
  const result: DemoResult = JSON.parse(printed);
  expect(result.steps[7]?.title).toBe("Deploy the endpoint");
  expect([result.accepted, result.quarantined]).toEqual([1_627_622, 13]);
  expect(result.auc.low).toBeGreaterThan(0.7);
  expect(result.auc.low).toBeGreaterThan(result.auc.baseline);
  return result;
}

/** What `portolan --json demo` printed says that the whole road was walked. */
export function expectWholeRoad(printed: string): void {
  const result = expectDeployed(printed);
  expect(result.steps).toHaveLength(16);
  expect(result.served).toBeGreaterThan(500);
  expect(result.answeredMeanwhile).toBeGreaterThan(0);
  expect(result.retrained.version).toBeGreaterThan(1);
  expect(result.rolledBack.requests).toBeGreaterThan(0);
  expect(result.parity.compared).toBeGreaterThan(5000);
  expect(result.parity.mismatches).toBe(0);
  expect(result.statement.requests).toBeGreaterThanOrEqual(result.served);
  expect(result.statement.cost).toMatch(/^0\.0+[1-9]\d* USD$/);
  expect(result.verified.rows).toBeGreaterThan(50);
}
