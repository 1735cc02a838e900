import fc from "fast-check";
import { expect, test } from "vitest";
import { lineDiff, unifiedDiff } from "./line-diff.ts";

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

test("a unified diff has three lines around each change, and far changes are hunks of their own", () => {
  const lines = Array.from({ length: 20 }, (_, n) => `line ${n + 1}`);
  const after = lines.with(1, "second").toSpliced(18, 1);
  expect(unifiedDiff(lines.join("\n"), after.join("\n"))).toEqual([
    "@@ -1,5 +1,5 @@",
    " line 1",
    "-line 2",
    "+second",
    " line 3",
    " line 4",
    " line 5",
    "@@ -16,5 +16,4 @@",
    " line 16",
    " line 17",
    " line 18",
    "-line 19",
    " line 20",
  ]);
  expect(unifiedDiff("a", "a")).toEqual([]);
  expect(unifiedDiff("a\n", "a")).toEqual(["@@ -1,2 +1,1 @@", " a", "-"]);
});

test("a unified diff, applied, gives the other text", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 25 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const diff = unifiedDiff(before.join("\n"), after.join("\n"));
      expect(applied(before, diff)).toEqual(after);
    }),
  );
});

function applied(before: readonly string[], diff: readonly string[]): string[] {
  const out: string[] = [];
  let at = 0;
  for (const line of diff) {
    const head = /^@@ -(\d+),(\d+) /.exec(line);
    if (head) {
      // An empty range names the line before it.
      const start = Number(head[1]) - (head[2] === "0" ? 0 : 1);
      out.push(...before.slice(at, start));
      at = start;
    } else if (line.startsWith("+")) out.push(line.slice(1));
    else {
      expect(before[at]).toBe(line.slice(1));
      if (line.startsWith(" ")) out.push(line.slice(1));
      at += 1;
    }
  }
  return [...out, ...before.slice(at)];
}
