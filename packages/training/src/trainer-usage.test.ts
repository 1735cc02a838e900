import { expect, test } from "vitest";
import { childrenMicros } from "./trainer-usage.ts";

test("what shells print of times is read: dash's and bash's, and nothing else", () => {
  expect(childrenMicros("0m0.000000s 0m0.010000s\n1m2.250000s 0m0.750000s\n")).toBe(63_000_000);
  expect(childrenMicros("0m0.000s 0m0.001s\n0m0.003s 0m0.004s\n")).toBe(7_000);
  for (const text of [
    "",
    "0m1s 0m1s\n",
    "a\n0m1s\n",
    "a\n0m1s 0mxs\n",
    "a\n0m1s 0m1s 0m1s\n",
    "a\n0m-1s 0m1s\n",
  ])
    expect(childrenMicros(text), text).toBeUndefined();
});
