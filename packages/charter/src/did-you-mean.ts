/**
 * The candidate that the writer most likely meant, or `undefined` when none is near: at most one slip for every
 * three characters, and a difference in letter case alone counts as none; else the only one that begins so.
 */
export function didYouMean(written: string, candidates: readonly string[]): string | undefined {
  const folded = fold(written);
  let best: { readonly candidate: string; readonly slips: number } | undefined;
  for (const candidate of candidates) {
    const slips = slipsBetween(folded, fold(candidate));
    if (slips <= Math.max(1, Math.floor(candidate.length / 3)) && (!best || slips < best.slips)) {
      best = { candidate, slips };
    }
  }
  if (best) return best.candidate;
  // Who stops in the middle of a long name means the one that goes on so.
  const [begun, ...others] = candidates.filter((candidate) => fold(candidate).startsWith(folded));
  return folded.length >= 4 && others.length === 0 ? begun : undefined;
}

function fold(text: string): string {
  return text.slice(0, 64).toLowerCase().replace(/[-_ ]/g, "");
}

/** Optimal string alignment distance: insert, delete, replace, or swap of two neighbours. */
function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same);
      rows[i]?.push(swapped ? Math.min(least, at(i - 2, j - 2) + 1) : least);
    }
  }
  return at(a.length, b.length);
}
