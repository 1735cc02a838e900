import { expect, test } from "vitest";
import { cutToBytes, keptBytesOf } from "./kept-answer.ts";

test("what is kept of an answer goes by the tokens that its case allows, to 64 KiB", () => {
  expect([1, 32, 512, 4096].map((maxTokens) => keptBytesOf({ maxTokens }))).toEqual([
    1024, 1024, 16_384, 65_536,
  ]);
});

test.each([
  ["short", 100, "short"],
  ["abcdef", 6, "abcd"],
  ['"""', 6, '""'],
  ["\u0000\u0000", 8, "\u0000"],
  ["ééé", 6, "éé"],
  ["a😀", 6, "a"],
  ["a😀", 7, "a😀"],
])("the beginning of %j that takes %i bytes as JSON is %j", (text, maxBytes, kept) => {
  expect(cutToBytes(text, maxBytes)).toBe(kept);
  expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThanOrEqual(maxBytes);
});

test("a mebibyte that escapes blow up is cut quickly", () => {
  const kept = cutToBytes("\u0001".repeat(2 ** 20), 65_536);
  expect(kept).toHaveLength(Math.floor(65_534 / 6));
});
