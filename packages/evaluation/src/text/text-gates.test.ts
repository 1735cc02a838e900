import { expect, test } from "vitest";
import type { TextCaseResult } from "./contract.ts";
import { judgeTextGates, statedHeldOut, textMetrics } from "./text-gates.ts";
import { addTallies, tallyOf } from "./text-tally.ts";

const result = (passed: boolean, answer: string | undefined = "x"): TextCaseResult => ({
  id: "1",
  passed,
  ...(answer === undefined ? {} : { answer }),
  promptTokens: 10,
  completionTokens: 2,
  isEstimated: false,
  latencyMs: 1,
});
const results = (passed: number, of: number) => Array.from({ length: of }, (_, i) => result(i < passed));
const set = {
  id: "evs_1",
  name: "helpdesk",
  version: 2,
  useCaseId: "uc_1",
  object: "",
  cases: 1,
  createdBy: "usr_rita",
  createdAt: 0,
};
const stated = statedHeldOut({ ...set, heldOut: "written by us in November" });
const floor = { metric: "pass_rate", kind: "floor", value: 0.9, below: "alert" } as const;
const gatesOf = (passed: number, of: number) =>
  judgeTextGates(
    { metrics: textMetrics(tallyOf(results(passed, of))), heldOut: stated },
    { accuracy: floor },
  );

test("the interval's lower end decides, so that a few cases release nothing (G8)", () => {
  expect(gatesOf(10, 10)[0]).toMatchObject({ gate: "accuracy", passed: false });
  expect(gatesOf(100, 100)[0]).toMatchObject({
    gate: "accuracy",
    passed: true,
    observed: "1.0000 [0.9630, 1.0000] of 100 cases",
    required: "pass_rate >= 0.9 at the interval's lower end",
  });
  expect(gatesOf(92, 100)[0]).toMatchObject({ passed: false });
});

test("a charter may take the share as it is", () => {
  const evidence = { metrics: textMetrics(tallyOf(results(10, 10))), heldOut: stated };
  const byValue = { accuracy: { ...floor, heldBy: "value" } } as const;
  expect(judgeTextGates(evidence, byValue)[0]).toMatchObject({ passed: true, required: "pass_rate >= 0.9" });
});

test("a charter that bounds another metric is not met by text", () => {
  const evidence = { metrics: textMetrics(tallyOf(results(100, 100))), heldOut: stated };
  expect(judgeTextGates(evidence, { accuracy: { ...floor, metric: "roc_auc" } })[0]).toMatchObject({
    passed: false,
    observed: "roc_auc was not measured",
  });
});

test("a charter that bounds slices or groups of rows releases no text", () => {
  const evidence = { metrics: textMetrics(tallyOf(results(100, 100))), heldOut: stated };
  const support = { positives: 30, negatives: 30 };
  const terms = {
    accuracy: floor,
    slices: { columns: ["region"], bins: 4, support, maximumGap: 0.1 },
    fairness: {
      columns: ["sex"],
      maximumDifference: 0.1,
      measures: ["demographic_parity_difference"],
      intersections: false,
      support,
    },
  } as const;
  expect(judgeTextGates(evidence, terms).map(({ gate, passed }) => [gate, passed])).toEqual([
    ["accuracy", true],
    ["held-out", true],
    ["slices", false],
    ["fairness", false],
  ]);
});

test("cases that nobody states to be unseen release nothing; a statement names its author (G9)", () => {
  const evidence = { metrics: textMetrics(tallyOf(results(100, 100))), heldOut: statedHeldOut(set) };
  expect(judgeTextGates(evidence, { accuracy: floor })[1]).toMatchObject({ gate: "held-out", passed: false });
  expect(gatesOf(100, 100)[1]).toMatchObject({
    passed: true,
    observed: "stated by usr_rita: written by us in November",
  });
});

test("what was not answered did not pass, and is counted", () => {
  const { answer: _, ...silent } = result(false);
  expect(textMetrics(tallyOf([silent, result(true), { ...result(true), isEstimated: true }]))).toMatchObject({
    cases: 3,
    passed: 2,
    unanswered: 1,
    promptTokens: 30,
    completionTokens: 6,
    isEstimated: true,
  });
});

test("tallies of parts add up to the tally of all, whatever the parts", () => {
  const { answer: _, ...silent } = { ...result(false), why: "refused: 400" };
  const all = [result(true), result(false), silent, { ...silent, why: "late" }, result(true)];
  for (let at = 0; at <= all.length; at++)
    expect(addTallies(tallyOf(all.slice(0, at)), tallyOf(all.slice(at)))).toEqual(tallyOf(all));
  expect(tallyOf(all)).toMatchObject({ cases: 5, passed: 2, answered: 3, firstUnanswered: "refused: 400" });
});
