import type { ReviewCase, ReviewStats } from "@portolan/oversight/contract";
import { expect, test } from "vitest";
import { caseText, statsText } from "./review-text.ts";

const review: ReviewCase["review"] = {
  id: "rev_1",
  predictionId: "prd_1",
  useCaseId: "uc_1",
  endpoint: "credit",
  environment: "production",
  model: "credit",
  version: "3",
  task: "binary_classification",
  reasons: ["uncertain"],
  priority: 2,
  receivedAt: 0,
  queuedAt: 0,
  dueAt: 0,
  isOverdue: true,
  people: 1,
  concluded: 0,
  state: "open",
  closedAt: null,
};

test("a case names what it is about and what comes next; the answer only once it is sent", () => {
  const shown = { review, leaseUntil: 0, inputs: [{ name: "amount", value: 10 }], features: [] };
  expect(caseText(shown)).toMatch(/amount = 10\ndecide: portolan review decide rev_1/);
  const decided = caseText({ ...shown, own: false, answer: { value: true, outputs: [] } });
  expect(decided).toMatch(
    /you decided: false\nthe model said: true\nkeep it or take another: portolan review conclude/,
  );
});

test("a list is told row by row, with how to decide it; its scores and the decision in the order of the rows", () => {
  const list = [0, 1].map((value) => [{ name: "place", value }]);
  const of = { ...review, task: "ranking", rows: 2 };
  const shown = { review: of, leaseUntil: 0, inputs: [], features: [], list };
  expect(caseText(shown)).toMatch(
    /row 1: place = 0\nrow 2: place = 1\ndecide: portolan review decide rev_1 '\[<relevance>, …\]' \(2 of them\)/,
  );
  const decided = caseText({
    ...shown,
    own: [0, 3],
    answer: { value: null, outputs: [], scores: [0.2, 0.9] },
  });
  expect(decided).toMatch(/you decided: \[0, 3\]\nthe model said: scores \[0.2, 0.9\]/);
});

test("figures of nothing say so, and figures have their intervals", () => {
  const none = { count: 0, of: 0, share: null, low: null, high: null };
  const half = { count: 5, of: 10, share: 0.5, low: 0.24, high: 0.76 };
  const stats: ReviewStats = {
    from: 0,
    to: 1,
    truncated: false,
    endpoints: ["credit"],
    open: 2,
    overdue: 1,
    closed: 10,
    closedLate: none,
    agreesWithModel: half,
    overrides: half,
    changedToModel: none,
    betweenPeople: { agree: none, kappa: null, low: null, high: null },
    reasons: { policy: 5 },
  };
  expect(statsText(stats)).toMatch(/overrides: 50.0 % \(5 of 10; 24.0 % to 76.0 %\): policy 5/);
  expect(statsText(stats)).toMatch(/closed late: none yet[^]*Cohen's kappa not told/);
});
