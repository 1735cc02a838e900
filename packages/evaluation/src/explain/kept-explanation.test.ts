import { expect, test } from "vitest";
import {
  isKeptRow,
  isUnderRoot,
  type KeptContent,
  readContent,
  rootOfKept,
  sealContent,
} from "./kept-explanation.ts";
import type { ExplainedRow } from "./ports.ts";

const row: ExplainedRow = {
  method: "tree_shap",
  target: "1",
  unit: "log_odds",
  score: 0.1 + 0.2,
  expected: -1e-300,
  contributions: [{ column: "hour", value: null, contribution: 1 / 3, reason: "hour is absent" }],
  othersContribution: 0,
  counterfactualSearch: "none",
  reproduced: "exactly",
};
const content: KeptContent = {
  format: 1,
  predictionId: "prd_1",
  model: { name: "delays", version: "1", digest: "sha256:ab" },
  background: { digest: "sha256:cd", trainingSetId: "ts_1", rows: 10 },
  parameters: { top: 5, fixed: [] },
  rows: 2,
  explained: [row, row],
};

test("what is kept comes back bit for bit, and a row that is explained anew is held against its digest", () => {
  const sealed = sealContent(content);
  expect(readContent(sealed.content)).toEqual(content);
  expect(isKeptRow(content, sealed, 1, { ...row })).toBe(true);
  // The last bit of one number.
  expect(isKeptRow(content, sealed, 1, { ...row, score: 0.3 })).toBe(false);
});

test("nobody who has a digest can find out by guessing of what: the same explanation has another one each time", () => {
  const [one, other] = [sealContent(content), sealContent(content)];
  expect(one.content).toBe(other.content);
  expect(one.digest).not.toBe(other.digest);
  expect(sealContent(content, one.salt).digest).toBe(one.digest);
});

test("each digest of a round is under its root, and no other is", () => {
  const digests = Array.from({ length: 5 }, () => sealContent(content).digest);
  const { root, pathOf } = rootOfKept(digests);
  for (const [index, digest] of digests.entries()) {
    const leaf = { index, count: digests.length, path: [...pathOf(index)] };
    expect(isUnderRoot({ digest, leaf }, root)).toBe(true);
    expect(isUnderRoot({ digest: sealContent(content).digest, leaf }, root)).toBe(false);
    expect(isUnderRoot({ digest, leaf: { ...leaf, path: leaf.path.slice(1) } }, root)).toBe(false);
    expect(isUnderRoot({ digest, leaf: { ...leaf, path: ["x"] } }, root)).toBe(false);
    expect(isUnderRoot({ digest, leaf }, "")).toBe(false);
  }
});
