import { isPortolanError } from "@portolan/kernel";
import { expect, test } from "vitest";
import { type Batch, checkBatch, keyViolations, limits } from "./check-values.ts";

const none: Batch = { metrics: [], params: [], tags: [] };
const points = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `m${i}`, value: 1, timestampMs: 1, step: 0 }));
const texts = (count: number) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: "v" }));

function placesOf(batch: Partial<Batch>): (string | undefined)[] {
  try {
    checkBatch({ ...none, ...batch });
    return [];
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    expect(error.code).toBe("tracking.invalid_value");
    return error.violations.map(({ at }) => at?.pointer);
  }
}

// The examples of MLflow's own tests (tests/utils/test_validation.py), and what a path could do.
test.each([
  "a",
  "Ab-5_",
  "a/b/c",
  "a.b.c",
  ".a",
  "b.",
  "a..a/._./o_O/.e.",
  "a b/c d",
  "loss: train",
  "größe",
])("%j is a key", (key) => {
  expect(keyViolations(key, "/key")).toEqual([]);
});
test.each([
  "",
  ".",
  "/",
  "..",
  "//",
  "a//b",
  "a/./b",
  "/a",
  "a/",
  "../a",
  "a/..",
  "\\",
  "a\\b",
  "a\n",
  "a\0",
  "'",
  "🙂",
])("%j is no key", (key) => {
  expect(keyViolations(key, "/key")).toHaveLength(1);
});

test("a batch at MLflow's limits is taken, one above any of them is refused with its place", () => {
  expect(placesOf({ metrics: points(1_000) })).toEqual([]);
  expect(placesOf({ params: texts(100), tags: texts(100), metrics: points(800) })).toEqual([]);
  expect(placesOf({ metrics: points(1_001) })).toEqual(["/metrics", "/"]);
  expect(placesOf({ params: texts(101) })).toEqual(["/params"]);
  expect(placesOf({ tags: texts(101) })).toEqual(["/tags"]);
  expect(placesOf({ params: texts(100), tags: texts(100), metrics: points(801) })).toEqual(["/"]);
});

test("texts are kept whole or refused, never cut", () => {
  const long = (length: number) => [{ key: "k", value: "x".repeat(length) }];
  expect(placesOf({ params: long(limits.paramLength), tags: long(limits.tagLength) })).toEqual([]);
  expect(placesOf({ params: long(limits.paramLength + 1) })).toEqual(["/params/0/value"]);
  expect(placesOf({ tags: long(limits.tagLength + 1) })).toEqual(["/tags/0/value"]);
  expect(placesOf({ tags: [{ key: "k".repeat(limits.keyLength + 1), value: "" }] })).toEqual(["/tags/0/key"]);
});

test("a parameter has one value in a batch; a tag may have several, of which the last counts", () => {
  const twice = (a: string, b: string) => [
    { key: "k", value: a },
    { key: "k", value: b },
  ];
  expect(placesOf({ params: twice("1", "1") })).toEqual([]);
  expect(placesOf({ params: twice("1", "2") })).toEqual(["/params/1"]);
  expect(placesOf({ tags: twice("1", "2") })).toEqual([]);
});
