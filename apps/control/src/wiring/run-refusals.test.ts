import { expect, test } from "vitest";
import { createRunRefusals } from "./run-refusals.ts";

test("a run has five rows of its own, whatever other runs are refused; of many runs the oldest are forgotten", () => {
  const refusals = createRunRefusals();
  const rowsOf = (run: string, asked: number) =>
    Array.from({ length: asked }, () => refusals.hasRow(run)).filter(Boolean).length;
  expect([rowsOf("a", 3), rowsOf("b", 50), rowsOf("a", 50)]).toEqual([3, 5, 2]);
  for (let i = 0; i < 999; i++) refusals.hasRow(`run-${i}`);
  expect(refusals.hasRow("a")).toBe(false);
  for (let i = 0; i < 1_000; i++) refusals.hasRow(`run-${i}`);
  expect(refusals.hasRow("a")).toBe(true);
});
