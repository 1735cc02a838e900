import { expect, test } from "vitest";
import { countOutcomes, type LabelledAnswer } from "./count-outcomes.ts";

const release = { candidate: { model: "churn", version: 2 }, champion: { model: "churn", version: 1 } };

function answer(
  version: number,
  said: number,
  outcome: unknown,
  over: Partial<LabelledAnswer> = {},
): LabelledAnswer {
  const outputs = JSON.stringify({
    outputs: [{ name: "y", datatype: "FP32", shape: [1, 1], data: [said] }],
  });
  const variant = version === 1 ? "champion" : "canary";
  return { snapshotVersion: 4, variant, model: "churn", version: String(version), outcome, outputs, ...over };
}
const decideAt = { decideAt: 0.5 };

test("decisions that outcomes contradict are wrong, by version and snapshot", () => {
  const answers = [
    answer(1, 0.5, true),
    answer(1, 0.49, true),
    answer(1, 0.2, 0),
    answer(2, 0.9, "false"),
    answer(2, 0.9, false, { snapshotVersion: 5 }),
    answer(2, 0.9, 1, { snapshotVersion: 5 }),
  ];
  const counts = [
    { snapshotVersion: 4, arm: "candidate", labelled: 1, wrong: 1 },
    { snapshotVersion: 4, arm: "control", labelled: 3, wrong: 1 },
    { snapshotVersion: 5, arm: "candidate", labelled: 2, wrong: 1 },
  ];
  expect(countOutcomes(answers, release, decideAt)).toEqual(counts);
  expect(countOutcomes(answers.toReversed(), release, decideAt)).toEqual(counts);
});

test("quantities are wrong beyond their tolerance, and not at it", () => {
  const answers = [answer(2, 10, 15), answer(2, 10, 15.5), answer(2, 10, 4.9)];
  expect(countOutcomes(answers, release, { beyond: 5 })).toEqual([
    { snapshotVersion: 4, arm: "candidate", labelled: 3, wrong: 2 },
  ]);
});

test("what another version answered, a fallback or a shadow, and what cannot be read, counts for nobody", () => {
  const answers = [
    answer(3, 0.9, 0),
    answer(1, 0.9, 0, { variant: "fallback" }),
    answer(2, 0.9, 0, { variant: "shadow" }),
    answer(2, 0.9, "blue"),
    answer(2, 0.9, 7),
    answer(2, 0.9, 0, { outputs: null }),
    answer(2, 0.9, 0, { outputs: "{" }),
  ];
  expect(countOutcomes(answers, release, decideAt)).toEqual([]);
});

test("a list is ranked wrong where its ndcg_at_10 is below the plan's; what is no list counts for nobody", () => {
  const ranked = (version: number, scores: readonly number[], outcome: unknown) => {
    const tensor = { name: "s", datatype: "FP32", shape: [scores.length, 1], data: scores };
    return answer(version, 0, outcome, { outputs: JSON.stringify({ outputs: [tensor] }) });
  };
  const answers = [
    ranked(2, [3, 2, 1], [1, 0, 0]),
    // The relevant one is second: 1 / log2(3) is 0.63.
    ranked(2, [3, 2, 1], [0, 1, 0]),
    // It is third: 1 / log2(4) is a half, which is not below it.
    ranked(1, [3, 2, 1], [0, 0, 1]),
    ranked(1, [3, 2, 1], [0, 0, 0]),
    ranked(1, [3, 2, 1], [0, 1]),
    ranked(1, [3, 2, 1], true),
  ];
  expect(countOutcomes(answers, release, { ndcgBelow: 0.5 })).toEqual([
    { snapshotVersion: 4, arm: "candidate", labelled: 2, wrong: 0 },
    { snapshotVersion: 4, arm: "control", labelled: 2, wrong: 1 },
  ]);
  expect(countOutcomes(answers, release, { ndcgBelow: 0.64 })).toEqual([
    { snapshotVersion: 4, arm: "candidate", labelled: 2, wrong: 1 },
    { snapshotVersion: 4, arm: "control", labelled: 2, wrong: 2 },
  ]);
  expect(countOutcomes(answers, release, decideAt)).toEqual([]);
});

test("of several classes the highest score is held against the class that happened, by its name or its number", () => {
  const scored = (version: number, scores: readonly number[], outcome: unknown) => {
    const tensor = { name: "p", datatype: "FP32", shape: [1, scores.length], data: scores };
    return answer(version, 0, outcome, { outputs: JSON.stringify({ outputs: [tensor] }) });
  };
  const [first, last] = [
    [0.5, 0.3, 0.2],
    [0.1, 0.3, 0.6],
  ];
  const named = [
    scored(1, first, "stays"),
    scored(1, last, "goes"),
    scored(2, last, "stays"),
    scored(2, last, "leaves"),
    // What is none of its classes, and scores of other classes, count for nobody.
    scored(2, last, "1"),
    scored(2, [0.4, 0.6], "goes"),
  ];
  const counts = [
    { snapshotVersion: 4, arm: "candidate", labelled: 2, wrong: 1 },
    { snapshotVersion: 4, arm: "control", labelled: 2, wrong: 1 },
  ];
  expect(countOutcomes(named, release, { classes: ["stays", "goes", "leaves"] })).toEqual(counts);
  const numbered = [scored(1, first, 0), scored(1, last, "1"), scored(2, last, 0), scored(2, last, 2)];
  expect(countOutcomes(numbered, release, { classes: [] })).toEqual(counts);
});
