import { chiSquaredUpperTail, populationStability } from "@portolan/numerics";

/** Cases of a stretch of time by cell: buckets of a duration, or levels of a column, or good and bad. */
export interface Bucket {
  /** Epoch microseconds. */
  readonly start: number;
  readonly counts: readonly number[];
}

/** When a series moved, and how far. */
export interface Change {
  /** Start of the first bucket after it. */
  readonly at: number;
  /** Between these the change lies, as far as the series tells: epoch microseconds. */
  readonly earliest: number;
  readonly latest: number;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Of no change, corrected for the places where one was looked for. */
  readonly p: number;
  /** Population stability index, less its mean without a change. */
  readonly psi: number;
}

/** When a move is one; why each number: docs/adr/0221. */
export const changePolicy = {
  /** Cases on either side. */
  leastCases: 100,
  /** Cells with fewer cases join their neighbour. */
  leastOfCell: 20,
  mostP: 1e-4,
  leastPsi: 0.05,
  /** How many times less likely a place may be than the likeliest one, and still be where it was. */
  asLikely: 100,
} as const;

/**
 * The first lasting change of a series: the split of its buckets that makes the counts before and after it likeliest (a G-test over cells, divided by how much
 * more than chance buckets differ from each other within both parts), looked for again in what lies before it. Pure: the same buckets give the same change.
 *
 * @param buckets in their order, of one width
 * @param leastPsi the least effect that is a change
 */
export function findChange(
  buckets: readonly Bucket[],
  width: number,
  leastPsi: number = changePolicy.leastPsi,
): Change | undefined {
  const filled = buckets.filter(({ counts }) => totalOf(counts) > 0);
  let found: Change | undefined;
  let searched = filled;
  while (true) {
    const change = likeliestChange(joinCells(searched), width, leastPsi);
    if (!change) return found;
    found = change;
    searched = searched.filter(({ start }) => start < change.at);
  }
}

function totalOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function sumOf(buckets: readonly Bucket[]): number[] {
  const cells = buckets[0]?.counts.length ?? 0;
  return Array.from({ length: cells }, (_, cell) =>
    buckets.reduce((sum, { counts }) => sum + (counts[cell] ?? 0), 0),
  );
}

/** By the sums of all buckets alone, which no split changes. */
function joinCells(buckets: readonly Bucket[]): Bucket[] {
  const groups: number[][] = [];
  let open: number[] = [];
  let inOpen = 0;
  for (const [cell, total] of sumOf(buckets).entries()) {
    open.push(cell);
    inOpen += total;
    if (inOpen < changePolicy.leastOfCell) continue;
    groups.push(open);
    [open, inOpen] = [[], 0];
  }
  const last = groups.pop();
  if (last) groups.push([...last, ...open]);
  return buckets.map(({ start, counts }) => ({
    start,
    counts: groups.map((group) => group.reduce((sum, cell) => sum + (counts[cell] ?? 0), 0)),
  }));
}

function likeliestChange(buckets: readonly Bucket[], width: number, leastPsi: number): Change | undefined {
  const total = sumOf(buckets);
  if (total.length < 2) return undefined;
  const splits = gainsOf(buckets, total);
  const best = splits.reduce<Split | undefined>(
    (most, one) => (most && most.gain >= one.gain ? most : one),
    undefined,
  );
  if (!best) return undefined;
  const dispersion = dispersionOf(buckets, best.index);
  const dof = total.length - 1;
  const p = Math.min(1, splits.length * chiSquaredUpperTail(best.gain / dispersion, dof));
  const [before, after] = [sumOf(buckets.slice(0, best.index)), sumOf(buckets.slice(best.index))];
  const psi = populationStability(before, after).debiased;
  if (p > changePolicy.mostP || psi < leastPsi) return undefined;
  const lost = 2 * dispersion * Math.log(changePolicy.asLikely);
  const likely = splits.filter(({ gain }) => gain >= best.gain - lost);
  const startOf = (split: Split | undefined): number => buckets[split?.index ?? 0]?.start ?? 0;
  return {
    at: startOf(best),
    // A bucket that the change falls into belongs to neither side; where nobody asked for hours, it may lie in any of them.
    earliest: Math.min(
      startOf(likely[0]) - width,
      buckets[(likely[0]?.index ?? 0) - 1]?.start ?? Number.POSITIVE_INFINITY,
    ),
    latest: startOf(likely.at(-1)) + width,
    before,
    after,
    p,
    psi,
  };
}

interface Split {
  /** Of the first bucket after it. */
  readonly index: number;
  /** Twice the logarithm of the likelihood ratio. */
  readonly gain: number;
}

function gainsOf(buckets: readonly Bucket[], total: readonly number[]): Split[] {
  const all = totalOf(total);
  const before = total.map(() => 0);
  const splits: Split[] = [];
  for (const [index, { counts }] of buckets.entries()) {
    const passed = totalOf(before);
    if (passed >= changePolicy.leastCases && all - passed >= changePolicy.leastCases)
      splits.push({ index, gain: 2 * (spread(before) + spread(rest(total, before)) - spread(total)) });
    for (const [cell, count] of counts.entries()) before[cell] = (before[cell] ?? 0) + count;
  }
  return splits;
}

function rest(total: readonly number[], part: readonly number[]): number[] {
  return total.map((count, cell) => count - (part[cell] ?? 0));
}

/** Logarithm of the likelihood of counts at their own shares. */
function spread(counts: readonly number[]): number {
  const all = totalOf(counts);
  return counts.reduce((sum, count) => sum + (count === 0 ? 0 : count * Math.log(count / all)), 0);
}

/** Pearson's statistic over its degrees of freedom within both parts; 1 where buckets differ no more than chance has it. */
function dispersionOf(buckets: readonly Bucket[], split: number): number {
  let [statistic, dof] = [0, 0];
  for (const part of [buckets.slice(0, split), buckets.slice(split)]) {
    const sums = sumOf(part);
    const all = totalOf(sums);
    for (const { counts } of part) {
      const own = totalOf(counts);
      for (const [cell, count] of counts.entries()) {
        const expected = (own * (sums[cell] ?? 0)) / all;
        if (expected > 0) statistic += (count - expected) ** 2 / expected;
      }
    }
    dof += (part.length - 1) * Math.max(0, sums.filter((count) => count > 0).length - 1);
  }
  return dof === 0 ? 1 : Math.max(1, statistic / dof);
}
