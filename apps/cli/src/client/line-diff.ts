/** Lines beyond which a comparison would take long; then only their number is said. */
const longest = 2000;

/** What changed between two texts: removed lines as `- line`, added ones as `+ line`, in order. */
export function lineDiff(before: string, after: string): string[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  if (isTooLong(a, b)) return [lengths(a, b)];
  return editsOf(a, b)
    .filter(({ kind }) => kind !== " ")
    .map(({ kind, line }) => `${kind} ${line}`);
}

/** The same as a unified diff with three lines around each change, without a head; empty for equal texts, and for those that are too long to compare. */
export function unifiedDiff(before: string, after: string): string[] {
  // A last line feed ends a line and begins none; where one text lacks it, that is a difference.
  const isEnded = before.endsWith("\n") && after.endsWith("\n");
  const linesOf = (text: string) => (isEnded ? text.slice(0, -1) : text).split("\n");
  const [a, b] = [linesOf(before), linesOf(after)];
  if (isTooLong(a, b)) return [];
  const edits = editsOf(a, b);
  return hunksOf(edits).flatMap(([from, to]) => [
    hunkHead(edits, from, to),
    ...edits.slice(from, to).map(({ kind, line }) => `${kind}${line}`),
  ]);
}

interface Edit {
  readonly kind: " " | "-" | "+";
  readonly line: string;
}

function editsOf(a: readonly string[], b: readonly string[]): Edit[] {
  const common = commonLengths(a, b);
  const edits: Edit[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length; ) {
    const [before, after] = [a[i], b[j]];
    if (before !== undefined && before === after) {
      edits.push({ kind: " ", line: before });
      i++;
      j++;
    } else if (
      before !== undefined &&
      (after === undefined || at(common, i + 1, j) >= at(common, i, j + 1))
    ) {
      edits.push({ kind: "-", line: before });
      i++;
    } else {
      edits.push({ kind: "+", line: after ?? "" });
      j++;
    }
  }
  return edits;
}

const context = 3;

/** Stretches of edits around changes; those that would touch are one. */
function hunksOf(edits: readonly Edit[]): [number, number][] {
  const hunks: [number, number][] = [];
  edits.forEach(({ kind }, index) => {
    if (kind === " ") return;
    const [from, to] = [Math.max(0, index - context), Math.min(edits.length, index + context + 1)];
    const last = hunks.at(-1);
    if (last && from <= last[1]) last[1] = to;
    else hunks.push([from, to]);
  });
  return hunks;
}

function hunkHead(edits: readonly Edit[], from: number, to: number): string {
  const count = (part: readonly Edit[], side: "-" | "+") =>
    part.filter(({ kind }) => kind === " " || kind === side).length;
  const range = (side: "-" | "+") => {
    const size = count(edits.slice(from, to), side);
    const start = count(edits.slice(0, from), side);
    // As diff writes it: an empty range names the line before it.
    return `${side}${size === 0 ? start : start + 1},${size}`;
  };
  return `@@ ${range("-")} ${range("+")} @@`;
}

function isTooLong(a: readonly string[], b: readonly string[]): boolean {
  return a.length > longest || b.length > longest;
}

function lengths(a: readonly string[], b: readonly string[]): string {
  return `${a.length} lines before, ${b.length} after`;
}

/** Length of the longest common subsequence of the tails from (i, j) on. */
function commonLengths(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const length =
        a[i] === b[j]
          ? at(lengths, i + 1, j + 1) + 1
          : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
      lengths[i]?.fill(length, j, j + 1);
    }
  }
  return lengths;
}

function at(lengths: readonly Uint16Array[], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}
