/** Up to five of the names that are nearest to one that there is not: by part, then by edits. Pure. */
export function nearNames(asked: string, names: readonly string[]): string[] {
  const wanted = asked.toLowerCase().slice(0, 100);
  const rated = names.flatMap((name) => {
    const text = name.toLowerCase().slice(0, 100);
    const part = text.includes(wanted) || wanted.includes(text);
    const distance = part ? 0 : edits(wanted, text);
    return part || distance <= Math.max(2, wanted.length / 3) ? [{ name, distance }] : [];
  });
  return rated
    .toSorted(
      (a, b) => a.distance - b.distance || a.name.length - b.name.length || (a.name < b.name ? -1 : 1),
    )
    .slice(0, 5)
    .map(({ name }) => name);
}

/** Levenshtein's distance. */
function edits(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, n) => n);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
