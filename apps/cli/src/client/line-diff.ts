/** Lines beyond which a comparison would take long; then only their number is said. */
const longest = 2000;

/** What changed between two texts: removed lines as `- line`, added ones as `+ line`, in order. */
export function lineDiff(before: string, after: string): string[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  if (a.length > longest || b.length > longest) return [`${a.length} lines before, ${b.length} after`];
  const common = commonLengths(a, b);
  const changes: string[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && at(common, i + 1, j) >= at(common, i, j + 1))) {
      changes.push(`- ${a[i++]}`);
    } else changes.push(`+ ${b[j++]}`);
  }
  return changes;
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
