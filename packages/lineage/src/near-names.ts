/** Names whose distance is computed: a request must not hold the process, however many names there are. */
const mostCompared = 300;
/** Of a longer text only the beginning is compared. */
const longestText = 100;

/** Up to five of the names that are nearest to one that there is not: by part, then by edits. Pure. */
export function nearNames(asked: string, names: readonly string[]): string[] {
  const wanted = asked.toLowerCase().slice(0, longestText);
  const most = Math.max(2, wanted.length / 3);
  const fits = withinBag(wanted, most);
  let compared = 0;
  const rated = names.flatMap((name) => {
    const text = name.toLowerCase().slice(0, longestText);
    if (text.includes(wanted) || wanted.includes(text)) return [{ name, distance: 0 }];
    if (compared >= mostCompared || !fits(text)) return [];
    compared += 1;
    const distance = edits(wanted, text);
    return distance <= most ? [{ name, distance }] : [];
  });
  return rated
    .toSorted(
      (a, b) => a.distance - b.distance || a.name.length - b.name.length || (a.name < b.name ? -1 : 1),
    )
    .slice(0, 5)
    .map(({ name }) => name);
}

/**
 * Whether a text may lie within so many edits, by the characters of both alone: what one has more than the other must be put in, removed or
 * exchanged (the bag distance, which is never more than Levenshtein's).
 */
function withinBag(wanted: string, most: number): (text: string) => boolean {
  const counts = new Map<string, number>();
  for (let i = 0; i < wanted.length; i++) counts.set(wanted[i] ?? "", (counts.get(wanted[i] ?? "") ?? 0) + 1);
  return (text) => {
    if (Math.abs(text.length - wanted.length) > most) return false;
    const left = new Map(counts);
    let shared = 0;
    for (let i = 0; i < text.length; i++) {
      const count = left.get(text[i] ?? "") ?? 0;
      if (count === 0) continue;
      left.set(text[i] ?? "", count - 1);
      shared += 1;
    }
    return Math.max(text.length, wanted.length) - shared <= most;
  };
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
