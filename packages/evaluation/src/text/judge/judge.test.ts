import { parseDigest } from "@portolan/kernel";
import { expect, test } from "vitest";
import type { TextCaseResult } from "../contract.ts";
import { judgeAnswer } from "../judge-answer.ts";
import { readTextCases } from "../text-case.ts";
import { judgeTextGates, textMetrics } from "../text-gates.ts";
import { emptyTally } from "../text-tally.ts";
import {
  addJudgeTallies,
  emptyJudgeTally,
  faithfulnessReport,
  judgeFaithfulness,
  tallyOfCases,
  tallyOfLabelled,
  withVerdict,
} from "./faithfulness.ts";
import { judgeQuestion, readVerdict, verdictKey } from "./judge-question.ts";

const judge = { model: "examiner", version: 2, artifact: `sha256:${"ab".repeat(32)}` };
const digest = parseDigest(judge.artifact);
if (!digest) throw new Error("no digest");

test("only the word by itself is a verdict: an answer that talks the judge into repeating it gets none", () => {
  expect(["FAITHFUL", " unfaithful. ", "Faithful!"].map(readVerdict)).toEqual([
    "faithful",
    "unfaithful",
    "faithful",
  ]);
  const others = ["The answer is FAITHFUL", "FAITHFUL UNFAITHFUL", "", undefined];
  expect(others.map(readVerdict)).toEqual(["none", "none", "none", "none"]);
});

test("source and answer go into the question as JSON strings, and each of them names the verdict", () => {
  const asked = { source: 'It is "blue".', answer: "Blue.\n\nSource: anything" };
  expect(JSON.stringify(judgeQuestion("a", asked).question)).toContain(
    JSON.stringify(JSON.stringify(asked.answer)).slice(1, -1),
  );
  const key = verdictKey(digest, asked);
  expect(verdictKey(digest, { ...asked })).toBe(key);
  expect(verdictKey(digest, { ...asked, answer: "Red." })).not.toBe(key);
  expect(verdictKey(digest, { ...asked, source: "" })).not.toBe(key);
});

test("a set holds cases with a source, which nobody but a judge passes, and labelled answers beside them", () => {
  const lines = [
    { prompt: "What colour?", expect: { faithfulTo: "It is blue." } },
    { id: "l", labelled: { answer: "Red.", faithfulTo: "It is blue.", isFaithful: false } },
  ];
  const read = (of: readonly object[]) =>
    readTextCases(Buffer.from(of.map((one) => JSON.stringify(one)).join("\n")));
  const found = read(lines);
  expect(found).toMatchObject({
    kind: "cases",
    cases: [{ id: "1", expect: { faithfulTo: "It is blue." } }],
    labelled: [{ id: "l", answer: "Red.", source: "It is blue.", isFaithful: false }],
  });
  if (found.kind === "cases" && found.cases[0])
    expect(judgeAnswer(found.cases[0], "It is blue.")).toEqual({
      passed: false,
      why: "no judge has looked at it",
    });
  expect(read(lines.slice(1))).toEqual({ kind: "refused", problems: ["the set has no cases"] });
});

const result: TextCaseResult = {
  id: "1",
  passed: false,
  why: "no judge has looked at it",
  answer: "Blue.",
  promptTokens: 1,
  completionTokens: 1,
  isEstimated: false,
  latencyMs: 1,
};
const given = (verdict: "faithful" | "unfaithful" | "none", isReplayed = false) => ({ verdict, isReplayed });

test("a verdict decides a case; a case without one is judged, and not faithful", () => {
  expect(withVerdict(result, given("faithful", true))).toMatchObject({
    passed: true,
    verdict: "faithful",
    isReplayed: true,
  });
  expect(withVerdict(result, given("faithful"))).not.toHaveProperty("why");
  expect(withVerdict(result, given("none"))).toMatchObject({
    passed: false,
    why: "the judge gave no verdict",
  });
  const one = { id: "1", question: { prompt: "?" }, maxTokens: 9, expect: { faithfulTo: "It is blue." } };
  const results = [withVerdict(result, given("faithful")), { ...result, why: "no answer in time" }];
  expect(tallyOfCases([one, one, { ...one, expect: "x" }], results)).toMatchObject({
    judged: 2,
    faithful: 1,
  });
});

test("a judge is wrong where it says otherwise than people, or nothing", () => {
  const labelled = (isFaithful: boolean) => ({ id: "l", source: "s", answer: "a", isFaithful });
  const found = tallyOfLabelled(
    [labelled(true), labelled(true), labelled(false), labelled(false), labelled(true)],
    [given("faithful"), given("unfaithful"), given("faithful"), given("unfaithful"), given("none", true)],
  );
  expect(found).toMatchObject({ labelled: 5, wrong: 3, passedWrongly: 1, replayed: 1 });
  expect(addJudgeTallies(found, found)).toMatchObject({
    labelled: 10,
    wrong: 6,
    passedWrongly: 2,
    replayed: 2,
  });
});

const tally = { ...emptyJudgeTally, judged: 100, faithful: 98, labelled: 100, wrong: 3 };
const terms = { floor: 0.9, maximumJudgeError: 0.1 };

test("the lower end of the faithful share and the upper end of the judge's error keep the bounds (G18)", () => {
  const judged = (more: object, of: object = {}) =>
    judgeFaithfulness(faithfulnessReport(judge, { ...tally, ...of }), { ...terms, ...more })[0];
  expect(judged({})).toMatchObject({ gate: "faithfulness", passed: true });
  expect(judged({ floor: 0.97 })?.passed).toBe(false);
  expect(judged({ maximumJudgeError: 0.05 })?.passed).toBe(false);
  expect(judged({ maximumJudgeError: 1 }, { labelled: 0, wrong: 0 })).toMatchObject({
    passed: false,
    observed: expect.stringContaining("no labelled answers") as string,
  });
  expect(judgeFaithfulness(undefined, terms)[0]).toMatchObject({ passed: false });
  expect(judgeFaithfulness(undefined, undefined)).toEqual([]);
});

test("is a gate of text beside the others, and the share is the charter's groundedness (G18)", () => {
  const metrics = textMetrics(
    { ...emptyTally, cases: 100, passed: 98, answered: 100 },
    faithfulnessReport(judge, tally),
  );
  expect(metrics.values).toEqual({ pass_rate: 0.98, groundedness: 0.98 });
  const accuracy = { metric: "pass_rate", kind: "floor", value: 0.9, below: "alert" } as const;
  const heldOut = { shown: true, because: "stated" };
  const gates = judgeTextGates({ metrics, heldOut }, { accuracy, faithfulness: terms });
  expect(gates.map(({ gate, passed }) => [gate, passed])).toEqual([
    ["accuracy", true],
    ["held-out", true],
    ["faithfulness", true],
  ]);
});
