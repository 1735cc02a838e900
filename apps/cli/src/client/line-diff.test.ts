import fc from "fast-check";
import { expect, test } from "vitest";
import { lineDiff } from "./line-diff.ts";

test("equal texts have no difference; a changed line is one out and one in", () => {
  expect(lineDiff("a\nb\nc", "a\nb\nc")).toEqual([]);
  expect(lineDiff("a\nb\nc", "a\nx\nc")).toEqual(["- b", "+ x"]);
  expect(lineDiff("a", "a\nb")).toEqual(["+ b"]);
});

test("removed and added lines explain the whole difference", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const changes = lineDiff(before.join("\n"), after.join("\n"));
      const kept = (sign: string) => changes.filter((line) => line.startsWith(sign)).length;
      expect(before.length - kept("- ")).toBe(after.length - kept("+ "));
    }),
  );
});
