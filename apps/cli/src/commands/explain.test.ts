import type { Explanation } from "@portolan/evaluation/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { backlogText, explanationText, shortest } from "./explain.ts";

const found: Explanation = {
  predictionId: "prd_1",
  row: 0,
  model: { name: "delays", version: "1", digest: "sha256:ab" },
  method: "tree_shap",
  background: { digest: "sha256:cd", trainingSetId: "ts_1", rows: 200 },
  decided: "0",
  target: "1",
  unit: "log_odds",
  score: -1.5,
  expected: -1,
  contributions: [
    { column: "late_share", value: 0.25, contribution: -0.75, reason: "" },
    { column: "hour", value: null, contribution: 0.5, reason: "" },
  ],
  othersContribution: -0.25,
  counterfactual: {
    changes: [{ column: "hour", from: null, to: Math.fround(7.1) }],
    score: 0.1,
    distance: 1,
  },
  counterfactualSearch: "found",
  reproduced: "exactly",
};

test("what the model says stands apart from the class that is explained, and bars point to where a column moved the score", () => {
  expect(explanationText(found).split("\n")).toEqual([
    "delays/1 says 0; the log odds of 1 are -1.5000 (18.2 %), on average -1.0000; to that the columns added",
    `  late_share         0.25    −0.7500  ${"━".repeat(20)}│`,
    `  hour             absent    +0.5000  ${" ".repeat(20)}│${"━".repeat(13)}`,
    "  others                     −0.2500",
    "the model would say otherwise if hour were 7.1 in place of nothing",
    "run again, the model gives the recorded answer bit for bit; explained against 200 rows of ts_1",
  ]);
});

test("classes have the charter's names, and of a request of several rows it is said which one", () => {
  const several = { ...found, unit: "score" as const, names: { decided: "late", target: "cancelled" } };
  const [head] = explanationText({ ...several, row: 3, rows: 12 }).split("\n");
  expect(head).toBe(
    "delays/1, row 3 of 12 (from 0; --row says which) says late; the score of cancelled is -1.5000, on average -1.0000; to that the columns added",
  );
  const { decided: _, ...silent } = found;
  expect(explanationText({ ...silent, rows: 2 })).toMatch(
    /^delays\/1, row 0 of 2 \(from 0; --row says which\): /,
  );
  expect(explanationText({ ...found, rows: 1 })).toBe(explanationText(found));
});

test("a change that was not found, and a model that says something else now, are said", () => {
  const { counterfactual: _, ...rest } = found;
  const text = explanationText({ ...rest, counterfactualSearch: "cut_off", reproduced: "no" });
  expect(text).toContain("too many trees to look for a change");
  expect(text).toContain("GIVES ANOTHER ANSWER");
});

test("an explanation that is kept says since when and where the ledger names it, and whether it comes out the same again", () => {
  const kept = {
    at: 1_795_000_000_000_000,
    digest: "sha256:ef",
    ledgerRow: "led_1",
    leaf: { index: 0, count: 1, path: [] },
    rows: 1,
    top: 5,
    fixed: [],
  };
  const last = (again?: "bit_for_bit" | "otherwise") =>
    explanationText({ ...found, kept: { ...kept, ...(again ? { again } : {}) } })
      .split("\n")
      .at(-1);
  expect(last()).toBe("kept since 2026-11-18T11:06:40Z, ledger row led_1");
  expect(last("bit_for_bit")).toMatch(/; explained again, it is the same bit for bit$/);
  expect(last("otherwise")).toMatch(/; EXPLAINED AGAIN, IT IS ANOTHER ONE$/);
});

test("what waits to be explained is said with the age of the oldest, and what never will be with why", () => {
  const endpoint = {
    environment: "production" as const,
    useCaseId: "uc_1",
    endpoint: "delays",
    waiting: 0,
    explained: 7,
    notExplainable: 0,
    passedOver: 0,
    lagSeconds: 0,
  };
  expect(backlogText({ endpoints: [] })).toMatch(/^no charter/);
  expect(backlogText({ endpoints: [endpoint] })).toBe(
    "delays in production: 7 kept in thirty days, 0 waiting",
  );
  const late = { ...endpoint, waiting: 3, lagSeconds: 61.4, notExplainable: 2, passedOver: 9 };
  expect(backlogText({ endpoints: [late] })).toBe(
    "delays in production: 7 kept in thirty days, 3 waiting, the oldest since 61 s, 2 cannot be explained, 9 passed over because too many waited",
  );
});

test("numbers of single precision are written as short as they can be and stay the same", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Math.fround(Number(shortest(value)))).toBe(value === 0 ? Number(shortest(value)) : value);
    }),
  );
  expect([0.1, Math.fround(0.1), 74.5, 1281].map(shortest)).toEqual(["0.1", "0.1", "74.5", "1281"]);
});
